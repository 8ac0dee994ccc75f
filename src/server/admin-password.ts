// The passwords of dashboard and API: those of the configuration, or a random one that is shown once and kept as a hash.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PasswordCheck } from '../admin/api/guard.ts';
import { hashPassword, isPasswordHash, Passwords } from '../auth/passwords.ts';
import { replaceText } from '../auth/text.ts';
import { isLoopback, type PlannedListener } from './config/listeners.ts';
import type { Config } from './config/schema.ts';

export interface AdminPasswords {
  /** Undefined: nobody is asked. */
  readonly admin: PasswordCheck | undefined;
  readonly viewer: PasswordCheck | undefined;
  /** Once the hub is ready: keeps the hash of a new password, and shows it to the person who started the hub. Never to the log. */
  readonly show?: (announce: (line: string) => void) => Promise<void>;
}

export async function adminPasswords(
  config: Config,
  listeners: readonly PlannedListener[],
): Promise<AdminPasswords> {
  const { adminPassword, viewerPassword } = config.web;
  const viewer = viewerPassword === undefined ? undefined : checkOf(viewerPassword);
  if (adminPassword !== undefined) return { admin: checkOf(adminPassword), viewer };
  const web = listeners.filter((l) => l.type === 'ws' || l.type === 'wss');
  // None where everybody may do everything anyway: an open hub that only this machine reaches.
  const open = web.every((l) => l.engine === 'open' && l.hosts.every(isLoopback));
  if (open && viewer === undefined) return { admin: undefined, viewer };
  const file = config.store.durability === 'memory' ? undefined : join(config.store.path, 'admin-password');
  if (file !== undefined && existsSync(file)) {
    const hash = (await readFile(file, 'utf8')).trim();
    if (!isPasswordHash(hash))
      throw new Error(`${file} is damaged: remove it, and the next start shows a new password`);
    return { admin: checkOf(hash), viewer };
  }
  const password = randomBytes(12).toString('base64url');
  const hash = await hashPassword(password);
  const show = async (announce: (line: string) => void): Promise<void> => {
    if (file !== undefined) await replaceText(file, `${hash}\n`);
    if (web.length === 0 || !config.web.api) return;
    const lost = file === undefined ? 'until the hub stops' : `shown only now; remove ${file} for another`;
    announce(`Dashboard and API: log in as admin with the password ${password} (${lost})`);
  };
  return { admin: checkOf(hash), viewer, show };
}

/** `expected` may be the password or its argon2 hash. */
function checkOf(expected: string): PasswordCheck {
  if (!isPasswordHash(expected)) return async (shown) => same(shown, expected);
  const passwords = new Passwords();
  return async (shown) => (await passwords.check(expected, Buffer.from(shown))) === true;
}

/** In constant time, whatever the lengths. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
