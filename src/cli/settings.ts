// Makes a flag of every setting of the schema.

import { type Command, Option } from 'commander';
import { settingLines } from '../server/config/reference.ts';

/** Adds them all, under their groups. */
export function addSettings(command: Command): void {
  command.addHelpText(
    'after',
    '\nEvery setting is also a variable (WAYMEET_STORE_PATH) and a line of waymeet.yaml: docs/configuration.md',
  );
  for (const line of settingLines()) {
    const flag = new Option(
      line.kind === 'flag' ? `${line.flag} [true|false]` : `${line.flag} <${line.kind}>`,
      line.about,
    );
    command.addOption(flag.helpGroup('Settings:'));
  }
}

/** The settings among a command's flags, by path. */
export function settingFlags(command: Command): Map<string, string | boolean> {
  const given = new Map<string, string | boolean>();
  const byFlag = new Map(settingLines().map((line) => [line.flag, line.path]));
  for (const option of command.options) {
    const path = byFlag.get(option.long ?? '');
    const name = option.attributeName();
    if (path !== undefined && command.getOptionValueSource(name) === 'cli')
      given.set(path, command.getOptionValue(name));
  }
  return given;
}
