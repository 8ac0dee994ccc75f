// Changes the ACL file by program, as `waymeet acl` does: a line comes or goes, and all others stay as somebody wrote them.

import type { AclModel, AclRule, AclWho } from './acl.ts';
import { parseAcl } from './acl-text.ts';
import { readText, replaceText } from './text.ts';

const HEAD =
  '# Who may publish and subscribe where; deny wins. Edit it by hand, or with `waymeet acl add | remove`.\n';

/** The rules of a file, each with the line where it stands; `foreign`: see `parseAcl`. */
export async function readRules(file: string): Promise<AclModel> {
  return parseAcl(await readAcl(file), file, true);
}

/** Adds a rule at the end of its section, or in a new one; makes the file if there is none. Rejects with what is wrong with it. */
export async function addRule(file: string, rule: AclRule): Promise<void> {
  const text = await readIfThere(file);
  const head = sectionOf(rule.who);
  const line = `${rule.deny === undefined ? 'allow' : 'deny'} ${rule.allow ?? rule.deny} ${rule.filter}`;
  const lines = text.replace(/\n+$/, '').split('\n');
  const at = endOfSection(lines, head);
  if (at === undefined) lines.push('', head, line);
  else lines.splice(at, 0, line);
  await write(file, lines);
}

/** Removes the rule of that number, from 1; returns it. Rejects when there is none. */
export async function removeRule(file: string, number: number): Promise<AclRule> {
  const { rules } = await readRules(file);
  const rule = rules[number - 1];
  if (rule === undefined)
    throw new Error(`there is no rule ${number} in ${file}; \`waymeet acl list\` numbers them`);
  const lines = (await readAcl(file)).split('\n');
  lines.splice(Number(rule.at!.slice(rule.at!.lastIndexOf(':') + 1)) - 1, 1);
  await write(file, lines);
  return rule;
}

/** Puts users into a group, or takes them out of it. Returns who is in it then. */
export async function changeGroup(
  file: string,
  group: string,
  change: { readonly add?: readonly string[]; readonly remove?: readonly string[] },
): Promise<string[]> {
  if (!/^[^\s:,]+$/.test(group)) throw new Error('a group name has no spaces, commas or colons');
  for (const name of change.add ?? [])
    if (/[\s,]/.test(name))
      throw new Error(`\`${name}\` cannot be in a group: its name has a space or a comma`);
  const text = await readIfThere(file);
  const before = parseAcl(text, file, true).groups ?? {};
  const members = new Set(Object.hasOwn(before, group) ? before[group] : []);
  for (const name of change.add ?? []) members.add(name);
  for (const name of change.remove ?? []) members.delete(name);
  const isOfGroup = (line: string) => /^\s*group\s+([^\s:]+)\s*:/.exec(line)?.[1] === group;
  const lines = text.replace(/\n+$/, '').split('\n');
  const at = lines.findIndex(isOfGroup);
  const left = lines.filter((line) => !isOfGroup(line));
  // A group that rules speak of must be said, though nobody is in it.
  const line = `group ${group}: ${[...members].join(', ')}`.trimEnd();
  // Groups stand at the top: in a section they would be easily overlooked.
  left.splice(
    at >= 0 ? at : left.findLastIndex((one) => one.startsWith('#') || /^group\s+[^\s:]+\s*:/.test(one)) + 1,
    0,
    line,
  );
  await write(file, left);
  return [...members];
}

/** As it stands above its rules: `user alice, protocol mqtt`. */
export function sectionOf({ user, group, client, protocol, listener, anonymous }: AclWho): string {
  const conditions = [
    ...(user === undefined ? [] : [`user ${user}`]),
    ...(group === undefined ? [] : [`group ${group}`]),
    ...(client === undefined ? [] : [`client ${client}`]),
    ...(protocol === undefined ? [] : [`protocol ${protocol}`]),
    ...(listener === undefined ? [] : [`listener ${listener}`]),
  ];
  if (anonymous === true) return ['anonymous', ...conditions].join(', ');
  return conditions.length === 0 ? 'all' : conditions.join(', ');
}

const SECTION = /^\s*(?:all|anonymous|user|client|protocol|listener)\b|^\s*group\s+[^\s:]+(?!\s*:)\s*(?:,|$)/;

/** Where another rule of the section `head` goes; undefined: there is no such section. */
function endOfSection(lines: readonly string[], head: string): number | undefined {
  const start = lines.findLastIndex((line) => line.trim() === head);
  if (start < 0) return undefined;
  let end = start + 1;
  for (let i = start + 1; i < lines.length && !SECTION.test(lines[i]!); i++) {
    if (/^\s*(?:allow|deny|topic)\s/.test(lines[i]!)) end = i + 1;
  }
  return end;
}

/** What would not be read again is not written. */
async function write(file: string, lines: readonly string[]): Promise<void> {
  const text = `${lines.join('\n').replace(/\n+$/, '')}\n`;
  parseAcl(text, file, true);
  await replaceText(file, text);
}

function readAcl(file: string): Promise<string> {
  return readText(file, 'ACL file', 'make it with `waymeet acl add`, or correct the path');
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readAcl(file);
  } catch (why) {
    if (((why as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return HEAD;
    throw why;
  }
}
