// `waymeet user add | remove | list` and `waymeet acl check`: who may come in, and what they may do.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ChainAuth } from '../auth/chain.ts';
import { addUser, listUsers, removeUser } from '../auth/users.ts';
import type { Identity } from '../contract/auth.ts';
import { NEVER } from '../contract/message.ts';
import { aclOf } from '../server/config/acl.ts';
import { load, loadOrFail } from './config.ts';
import { EXIT, Failure, type Io, say } from './io.ts';
import { askSecret } from './prompt.ts';

export interface UserFlags {
  config?: string;
  users?: string;
  passwordFile?: string;
  scram?: boolean;
}

const SCRAM_ITERATIONS = 15_000;

export async function add(io: Io, name: string, flags: UserFlags): Promise<number> {
  const file = usersFile(io, flags);
  const password = await newPassword(io, name, flags);
  const how = await addUser(file, name, password, flags.scram ? { scramIterations: SCRAM_ITERATIONS } : {});
  say(io, how === 'added' ? `added '${name}' to ${file}` : `'${name}' has a new password in ${file}`);
  say(io, 'a running hub reads it on SIGHUP');
  return EXIT.fine;
}

export async function remove(io: Io, name: string, flags: UserFlags): Promise<number> {
  const file = usersFile(io, flags);
  if (!(await removeUser(file, name)))
    throw new Failure(`there is no '${name}' in ${file}; \`waymeet user list\` shows who is`);
  say(io, `removed '${name}' from ${file}; a running hub reads it on SIGHUP`);
  return EXIT.fine;
}

export async function list(io: Io, flags: UserFlags): Promise<number> {
  for (const user of await listUsers(usersFile(io, flags))) {
    io.output.write(`${user.name}${user.scram === undefined ? '' : '  (SCRAM-SHA-256)'}\n`);
  }
  return EXIT.fine;
}

export interface AclFlags {
  config?: string;
  acl?: string;
  users?: string;
  client: string;
}

/** Says whether `user` may do it; 'anonymous' is whoever shows no name. */
export async function checkAcl(
  io: Io,
  user: string,
  action: string,
  topic: string,
  flags: AclFlags,
): Promise<number> {
  if (action !== 'publish' && action !== 'subscribe')
    throw new Failure(`'${action}' is no action: write publish or subscribe`, EXIT.usage);
  const configured = flags.acl === undefined ? loadOrFail(io, flags.config).config.auth : undefined;
  const file = flags.acl === undefined ? configured?.acl : resolve(io.folder, flags.acl);
  const rules = configured === undefined ? undefined : aclOf(configured);
  if (file === undefined && rules === undefined)
    throw new Failure(
      'there are no rules: name their file with --acl, or write auth.acl or auth.rules in the configuration',
      EXIT.usage,
    );
  const auth = await ChainAuth.open({
    ...(file === undefined ? {} : { aclFile: file }),
    ...(rules === undefined ? {} : { acl: rules }),
  });
  const who: Identity = { principal: user, unrestricted: false, validUntil: NEVER };
  const allowed = auth.allows(who, flags.client, action, topic);
  io.output.write(
    `${allowed ? 'allowed' : 'denied'}: '${user}' (client '${flags.client}') ${action} ${topic}\n`,
  );
  return allowed ? EXIT.fine : EXIT.failed;
}

function usersFile(io: Io, flags: UserFlags): string {
  if (flags.users !== undefined) return resolve(io.folder, flags.users);
  const configured = load(io, flags.config).config?.auth.users;
  return configured ?? resolve(io.folder, 'waymeet-users');
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
