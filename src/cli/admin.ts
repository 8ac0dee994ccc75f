// `waymeet ban | unban | bans | kick`: keeps clients out of a hub that runs, over its admin API.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseDuration } from '../server/config/units.ts';
import { EXIT, Failure, type Io, say } from './io.ts';
import { askSecret } from './prompt.ts';

export interface AdminFlags {
  url: string;
  user: string;
  passwordFile?: string;
}

export interface BanFlags extends AdminFlags {
  for?: string;
  why?: string;
}

interface Ban {
  readonly kind: string;
  readonly value: string;
  readonly until: number | null;
  readonly why: string;
  readonly by: string;
}

export async function ban(io: Io, kind: string, value: string, flags: BanFlags): Promise<number> {
  const ms = flags.for === undefined ? Number.POSITIVE_INFINITY : parseDuration(flags.for);
  if (ms === undefined) throw new Failure(`'${flags.for}' is no time: write 10min, 1h or 7d`, EXIT.usage);
  const body = {
    kind,
    value,
    ...(Number.isFinite(ms) ? { seconds: ms / 1_000 } : {}),
    ...(flags.why === undefined ? {} : { why: flags.why }),
  };
  await ask(io, flags, 'POST', '/bans', body);
  say(io, `${kind} '${value}' is banned${flags.for === undefined ? '' : ` for ${flags.for}`}`);
  return EXIT.fine;
}

export async function unban(io: Io, kind: string, value: string, flags: AdminFlags): Promise<number> {
  await ask(io, flags, 'DELETE', `/bans/${encodeURIComponent(kind)}/${encodeURIComponent(value)}`);
  say(io, `${kind} '${value}' may come in again`);
  return EXIT.fine;
}

export async function bans(io: Io, flags: AdminFlags): Promise<number> {
  const { items } = (await ask(io, flags, 'GET', '/bans')) as { items: readonly Ban[] };
  for (const { kind, value, until, why, by } of items) {
    const end = until === null ? 'until it is lifted' : `until ${new Date(until).toISOString()}`;
    io.output.write(`${kind} ${value}  ${end}  by ${by}: ${why}\n`);
  }
  if (items.length === 0) say(io, 'nobody is banned');
  return EXIT.fine;
}

export async function kick(io: Io, kind: string, value: string, flags: AdminFlags): Promise<number> {
  const { kicked } = (await ask(io, flags, 'POST', '/kick', { [kind]: value })) as { kicked: number };
  say(io, kicked === 0 ? `no ${kind} '${value}' is here` : `sent away: ${kicked}`);
  return kicked === 0 ? EXIT.failed : EXIT.fine;
}

async function ask(io: Io, flags: AdminFlags, method: string, path: string, body?: object): Promise<unknown> {
  let password = given(io, flags);
  let response = await send(flags, method, path, body, password);
  if (response.status === 401 && password === undefined) {
    password = await askSecret(io, `Password of ${flags.user}: `);
    response = await send(flags, method, path, body, password);
  }
  const answer = (await response.json().catch(() => ({}))) as { detail?: string };
  if (!response.ok) throw new Failure(`${flags.url} says: ${answer.detail ?? `HTTP ${response.status}`}`);
  return answer;
}

async function send(
  { url, user }: AdminFlags,
  method: string,
  path: string,
  body: object | undefined,
  password: string | undefined,
): Promise<Response> {
  const shown = Buffer.from(`${user}:${password ?? ''}`).toString('base64');
  try {
    return await fetch(new URL(`/api/v1${path}`, url), {
      method,
      headers: password === undefined ? {} : { Authorization: `Basic ${shown}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (why) {
    const cause = (why as Error).cause as Error | undefined;
    throw new Failure(
      `no hub answers at ${url} (${cause?.message ?? (why as Error).message}): --url says where its web port is`,
      EXIT.failed,
      why,
    );
  }
}

function given(io: Io, { passwordFile }: AdminFlags): string | undefined {
  if (passwordFile === undefined) return io.environment.WAYMEET_ADMIN_PASSWORD;
  return readFileSync(resolve(io.folder, passwordFile), 'utf8').split(/\r?\n/, 1)[0]!;
}
