// The users file: one line a user, `name:$argon2id$…[:SCRAM-SHA-256$…][:SCRAM-SHA-1$…]`; read by the hub, edited by people and `waymeet user`.

import { ANONYMOUS } from './acl.ts';
import { hashPassword, isPasswordHash, Passwords } from './passwords.ts';
import {
  formatScram,
  MECHANISMS,
  normaliseName,
  parseScram,
  type ScramCredential,
  type ScramMechanism,
  scramCredential,
} from './scram.ts';
import { meaningfulLines, readText, replaceText, TextFault } from './text.ts';

export interface User {
  readonly name: string;
  readonly hash: string | undefined;
  readonly scram: ScramCredential | undefined;
  /** For clients that know SCRAM-SHA-1 and nothing newer. */
  readonly scramSha1: ScramCredential | undefined;
}

const HEAD = '# Users of this hub, one a line; edit it with `waymeet user add | remove | list`.\n';

/** Parses the file's text; `file` is for messages. Throws TextFault with every fault found. */
export function parseUsers(text: string, file: string): Map<string, User> {
  const users = new Map<string, User>();
  const faults: string[] = [];
  for (const line of meaningfulLines(text)) {
    const user = parseUser(line.text);
    if (typeof user === 'string') faults.push(`${file}:${line.number}: ${user}`);
    else if (users.has(user.name)) {
      faults.push(`${file}:${line.number}: user \`${user.name}\` is there twice; remove one of the lines`);
    } else users.set(user.name, user);
  }
  if (faults.length > 0) throw new TextFault(faults);
  return users;
}

/** A user, or what is wrong with the line. The message never repeats what may be a password. */
function parseUser(line: string): User | string {
  const colon = line.indexOf(':');
  if (colon < 0) return 'expected `name:hash`; add users with `waymeet user add NAME`';
  const name = line.slice(0, colon);
  const fault = nameFault(name);
  if (fault !== undefined) return fault;
  const rest = line.slice(colon + 1);
  const split = rest.search(/SCRAM-SHA-(?:256|1)\$/);
  const hash = split < 0 ? rest : rest.slice(0, Math.max(0, split - 1));
  const found =
    split < 0
      ? []
      : rest
          .slice(split)
          .split(/:(?=SCRAM-SHA-)/)
          .map(parseScram);
  if (found.includes(undefined)) {
    return `the SCRAM credential of \`${name}\` is damaged; set it with \`waymeet user add ${name}\``;
  }
  const [scram, scramSha1] = MECHANISMS.map((mechanism) => found.find((c) => c?.mechanism === mechanism));
  if ((hash !== '' || found.length === 0) && !isPasswordHash(hash)) {
    const what = hash.startsWith('$') ? 'is of another kind than argon2' : 'is not hashed, or damaged';
    return `the password of \`${name}\` ${what}; set it with \`waymeet user add ${name}\``;
  }
  return { name, hash: hash || undefined, scram, scramSha1 };
}

/** What is wrong with a user name, or undefined. */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'the user name is empty';
  if (name === ANONYMOUS) return '`anonymous` means nobody in particular; choose another user name';
  if (name.length > 256) return 'the user name is longer than 256 characters';
  if (name.trim() !== name || name.startsWith('#'))
    return 'a user name must not start with `#`, nor start or end with a space';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  if (/[:\x00-\x1f\x7f]/.test(name)) return 'a user name must not contain `:` or control characters';
  return undefined;
}

/** What is kept of a user for a mechanism. */
export function scramOf(user: User, mechanism: ScramMechanism): ScramCredential | undefined {
  return mechanism === 'SCRAM-SHA-1' ? user.scramSha1 : user.scram;
}

export interface AddUserOptions {
  /** Only a user who is there already gets a new password. */
  readonly known?: boolean;
  /** Also keep SCRAM credentials with so many iterations. They resist guessing less than argon2id does, once the file is stolen. */
  readonly scramIterations?: number;
}

/** Adds a user, or gives an existing one a new password; makes the file if there is none. */
export async function addUser(
  file: string,
  name: string,
  password: string,
  options: AddUserOptions = {},
): Promise<'added' | 'changed'> {
  const fault = nameFault(name);
  if (fault !== undefined) throw new Error(fault);
  if (password === '') throw new Error('the password is empty');
  let entry = `${name}:${await hashPassword(password)}`;
  if (options.scramIterations !== undefined) {
    if (normaliseName(name) !== name)
      throw new Error(`SCRAM clients would send \`${name}\` in another form; choose another name`);
    for (const mechanism of MECHANISMS)
      entry += `:${formatScram(await scramCredential(password, options.scramIterations, undefined, mechanism))}`;
  }
  const lines = (await readIfThere(file)).split('\n');
  const at = lines.findIndex((line) => nameOf(line) === name);
  if (options.known === true && at < 0) throw new Error(`there is no user \`${name}\` in ${file}`);
  if (at >= 0) lines[at] = entry;
  else lines.splice(lines.at(-1) === '' ? -1 : lines.length, 0, entry);
  await replaceText(file, `${lines.join('\n').replace(/\n+$/, '')}\n`);
  return at >= 0 ? 'changed' : 'added';
}

/** Removes a user; false when there was none of that name. */
export async function removeUser(file: string, name: string): Promise<boolean> {
  const lines = (await readUsersText(file)).split('\n');
  const left = lines.filter((line) => nameOf(line) !== name);
  if (left.length === lines.length) return false;
  await replaceText(file, left.join('\n'));
  return true;
}

export async function listUsers(file: string): Promise<User[]> {
  return [...parseUsers(await readUsersText(file), file).values()];
}

/** Whether `password` is the one of `name`. */
export async function verifyUser(file: string, name: string, password: string): Promise<boolean> {
  const user = parseUsers(await readUsersText(file), file).get(name);
  return (await new Passwords().check(user?.hash, Buffer.from(password))) === true;
}

export function readUsersText(file: string): Promise<string> {
  return readText(file, 'users file', `make it with \`waymeet user add NAME\`, or correct the path`);
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readUsersText(file);
  } catch (why) {
    if (((why as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return HEAD;
    throw why;
  }
}

/** The user that a line is about; undefined for comments and blank lines. */
function nameOf(line: string): string | undefined {
  const text = line.trim();
  const colon = text.indexOf(':');
  return text.startsWith('#') || colon < 0 ? undefined : text.slice(0, colon);
}
