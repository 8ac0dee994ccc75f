// `waymeet user add | passwd | remove | list | group`: who may come in, and who is in which group.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { changeGroup, readRules } from '../auth/acl-edit.ts';
import { addUser, listUsers, removeUser } from '../auth/users.ts';
import { rulesFile } from './acl.ts';
import { load } from './config.ts';
import { EXIT, Failure, type Io, say } from './io.ts';
import { askSecret } from './prompt.ts';

export interface UserFlags {
  config?: string;
  users?: string;
  passwordFile?: string;
  scram?: boolean;
}

export interface GroupFlags {
  config?: string;
  acl?: string;
}

const SCRAM_ITERATIONS = 15_000;
const READ_AGAIN = 'a running hub reads it by itself';

export async function add(io: Io, name: string, flags: UserFlags, known = false): Promise<number> {
  const { file, named } = usersFile(io, flags);
  const password = await newPassword(io, name, flags);
  const scram = flags.scram ? { scramIterations: SCRAM_ITERATIONS } : {};
  const how = await addUser(file, name, password, { known, ...scram });
  say(io, how === 'added' ? `added '${name}' to ${file}` : `'${name}' has a new password in ${file}`);
  say(io, named ? READ_AGAIN : `no configuration names that file: start the hub with --auth-users ${file}`);
  return EXIT.fine;
}

/** As `add`, for a user who is there already. */
export function passwd(io: Io, name: string, flags: UserFlags): Promise<number> {
  return add(io, name, flags, true);
}

export async function remove(io: Io, name: string, flags: UserFlags): Promise<number> {
  const { file } = usersFile(io, flags);
  if (!(await removeUser(file, name)))
    throw new Failure(`there is no '${name}' in ${file}; \`waymeet user list\` shows who is`);
  say(io, `removed '${name}' from ${file}; ${READ_AGAIN}`);
  return EXIT.fine;
}

export async function list(io: Io, flags: UserFlags): Promise<number> {
  for (const user of await listUsers(usersFile(io, flags).file)) {
    io.output.write(`${user.name}${user.scram === undefined ? '' : '  (SCRAM)'}\n`);
  }
  return EXIT.fine;
}

/** `group add ops alice bob`, `group remove ops bob`, `group list`. */
export async function group(
  io: Io,
  change: 'add' | 'remove',
  name: string,
  users: readonly string[],
  flags: GroupFlags,
): Promise<number> {
  const file = rulesFile(io, flags);
  const members = await changeGroup(file, name, { [change]: users });
  say(io, `group ${name} of ${file}: ${members.join(', ') || 'nobody'}; ${READ_AGAIN}`);
  return EXIT.fine;
}

export async function groups(io: Io, flags: GroupFlags): Promise<number> {
  const { groups: all = {} } = await readRules(rulesFile(io, flags));
  for (const [name, members] of Object.entries(all)) io.output.write(`${name}: ${members.join(', ')}\n`);
  return EXIT.fine;
}

/** The file that `--users` names, or the configuration does, here or in the only listener that has one, or the usual one. */
function usersFile(io: Io, flags: UserFlags): { readonly file: string; readonly named: boolean } {
  if (flags.users !== undefined) return { file: resolve(io.folder, flags.users), named: true };
  const { config, problems } = load(io, flags.config);
  if (config === undefined)
    throw new Failure(`the configuration is wrong: ${problems[0]!.text}; or name the file with --users`);
  const own = new Set((config.listeners ?? []).flatMap(({ auth }) => auth?.users ?? []));
  if (config.auth.users === undefined && own.size > 1)
    throw new Failure(
      `the listeners have several users files: name one with --users: ${[...own].join(' or ')}`,
    );
  const file = config.auth.users ?? [...own][0];
  return { file: file ?? resolve(io.folder, 'waymeet-users'), named: file !== undefined };
}

async function newPassword(io: Io, name: string, flags: UserFlags): Promise<string> {
  if (flags.passwordFile !== undefined && flags.passwordFile !== '-') {
    return readFileSync(resolve(io.folder, flags.passwordFile), 'utf8').split(/\r?\n/, 1)[0]!;
  }
  const password = io.environment.WAYMEET_PASSWORD ?? (await askSecret(io, `Password for ${name}: `));
  if (io.input.isTTY === true && io.environment.WAYMEET_PASSWORD === undefined) {
    if ((await askSecret(io, 'Once more: ')) !== password)
      throw new Failure('the two passwords differ; nothing was changed');
  }
  if (password === '') throw new Failure('a password cannot be empty; nothing was changed');
  return password;
}
