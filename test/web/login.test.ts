// Logging in to the dashboard: sessions by cookie, the token that changes need, and the password that is shown once.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../src/server/start.ts';
import { startHub } from './hub.ts';

const WEB = [{ name: 'web', type: 'ws', port: 0 }];

describe('sessions', () => {
  let server: Server;
  let base: string;
  beforeAll(async () => {
    server = await startHub({ listeners: WEB, web: { adminPassword: 'right', viewerPassword: 'look' } });
    base = `${server.address('web')}/api/v1`;
  });
  afterAll(() => server.stop());

  async function logIn(user: string, password: string, headers: Record<string, string> = {}) {
    const response = await fetch(`${base}/login`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ user, password }),
    });
    const body = (await response.json()) as { role: string; csrf: string };
    const set = response.headers.get('set-cookie') ?? '';
    return { status: response.status, body, set, cookie: set.split(';', 1)[0]! };
  }

  test('the cookie is out of the reach of scripts and of other sites', async () => {
    const { status, body, set } = await logIn('admin', 'right');
    expect([status, body.role]).toEqual([200, 'admin']);
    expect(set).toMatch(/^waymeet_\d+=[\w-]{43}; Path=\/api\/v1; HttpOnly; SameSite=Strict; Max-Age=/);
  });

  test('a change needs the token, looking does not', async () => {
    const { cookie, body } = await logIn('admin', 'right');
    const look = await fetch(`${base}/stats`, { headers: { cookie } });
    expect(look.status).toBe(200);
    const publish = (headers: Record<string, string>) =>
      fetch(`${base}/publish`, {
        method: 'POST',
        headers: { cookie, ...headers },
        body: JSON.stringify({ topic: 'a', payload: 'x' }),
      });
    const bare = await publish({});
    expect([bare.status, ((await bare.json()) as { code: string }).code]).toEqual([403, 'csrf']);
    expect((await publish({ 'X-Waymeet-CSRF': `${body.csrf.slice(1)}x` })).status).toBe(403);
    expect((await publish({ 'X-Waymeet-CSRF': body.csrf })).status).toBe(200);
  });

  test('a reloaded page learns its token again; after logout there is none', async () => {
    const { cookie, body } = await logIn('viewer', 'look');
    const session = async () =>
      (await (await fetch(`${base}/session`, { headers: { cookie } })).json()) as Record<string, unknown>;
    expect(await session()).toMatchObject({ loginNeeded: true, role: 'viewer', csrf: body.csrf });
    const out = await fetch(`${base}/logout`, { method: 'POST', headers: { cookie } });
    expect(out.headers.get('set-cookie')).toContain('Max-Age=0');
    expect(await session()).toMatchObject({ role: null, csrf: null });
    expect((await fetch(`${base}/stats`, { headers: { cookie } })).status).toBe(401);
  });

  test('viewer changes nothing, a wrong password opens nothing, another site may not try', async () => {
    const { cookie, body } = await logIn('viewer', 'look');
    const gone = await fetch(`${base}/clients/mqtt/x`, {
      method: 'DELETE',
      headers: { cookie, 'X-Waymeet-CSRF': body.csrf },
    });
    expect(gone.status).toBe(403);
    expect(await logIn('admin', 'wrong')).toMatchObject({ status: 401, set: '' });
    expect(await logIn('admin', 'right', { Origin: 'https://evil.example' })).toMatchObject({
      status: 403,
      set: '',
    });
  });

  test('each login has a session of its own, and the one before it ends', async () => {
    const first = await logIn('admin', 'right');
    const second = await logIn('admin', 'right', { cookie: first.cookie });
    expect(second.cookie).not.toBe(first.cookie);
    expect((await fetch(`${base}/stats`, { headers: { cookie: first.cookie } })).status).toBe(401);
    expect((await fetch(`${base}/stats`, { headers: { cookie: second.cookie } })).status).toBe(200);
  });
});

test('an open hub of this machine asks for no login', async () => {
  const server = await startHub({ listeners: WEB });
  try {
    const answer = await fetch(`${server.address('web')}/api/v1/session`);
    expect(await answer.json()).toMatchObject({ loginNeeded: false, role: 'admin' });
  } finally {
    await server.stop();
  }
});

test('a random password is shown once, and only its hash is kept', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'waymeet-admin-'));
  const shown: string[] = [];
  const settings = {
    listeners: WEB,
    anonymous: true,
    auth: { engine: 'file', rules: [{ allow: 'both', filter: '#' }] },
    store: { durability: 'relaxed', path: join(folder, 'data') },
  };
  const status = async (password: string) => {
    const server = await startHub(settings, (line) => shown.push(line));
    const response = await fetch(`${server.address('web')}/api/v1/stats`, {
      headers: { Authorization: `Basic ${btoa(`admin:${password}`)}` },
    });
    await server.stop();
    return response.status;
  };
  try {
    expect(await status('guess')).toBe(401);
    const password = /with the password (\S+)/.exec(shown[0]!)![1]!;
    expect(await status(password)).toBe(200);
    expect(shown).toHaveLength(1);
    const kept = readFileSync(join(folder, 'data', 'admin-password'), 'utf8');
    expect(kept).toMatch(/^\$argon2id\$/);
    expect(kept).not.toContain(password);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
