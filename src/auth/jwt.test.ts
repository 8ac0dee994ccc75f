// Tokens: which are taken, what their claims become, and keys that change under them.

import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NEVER } from '../contract/message.ts';
import { authCases, identified, loginOf, password } from './case.ts';
import { ChainAuth } from './chain.ts';
import { type JwtOptions, JwtProver } from './jwt.ts';

const SECRET = 'a secret of thirty-two octets, or more';
const NOW = 1_800_000_000_000;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'waymeet-jwt-'));
});
afterAll(() => rmSync(root, { recursive: true }));

const BASE: JwtOptions = {
  refreshMs: 600_000,
  timeoutMs: 2_000,
  issuers: [],
  audiences: [],
  algorithms: [],
  userClaim: 'sub',
  groupsClaim: 'groups',
  aclClaim: 'acl',
  clientClaim: undefined,
  requireExpiry: true,
  leewayMs: 0,
  now: () => NOW,
  log: () => undefined,
  debug: () => undefined,
};

const open = (options: Partial<JwtOptions>) => JwtProver.open({ ...BASE, ...options });

function sign(
  claims: JWTPayload,
  key: Parameters<SignJWT['sign']>[0] = Buffer.from(SECRET),
  header: { alg?: string; kid?: string } = {},
): Promise<string> {
  const full = { sub: 'alice', exp: NOW / 1_000 + 60, ...claims };
  return new SignJWT(full).setProtectedHeader({ alg: 'HS256', ...header }).sign(key);
}

async function prove(prover: JwtProver, token: string, client = 'c1') {
  return prover.prove(loginOf({ password: password(token), client }));
}

describe('the signature and what it is for', () => {
  test.each<[string, Partial<JwtOptions>, JWTPayload, boolean]>([
    ['a good one', {}, {}, true],
    ['over', {}, { exp: NOW / 1_000 - 1 }, false],
    ['over, within the leeway', { leewayMs: 2_000 }, { exp: NOW / 1_000 - 1 }, true],
    ['not yet', {}, { nbf: NOW / 1_000 + 5 }, false],
    ['the issuer', { issuers: ['me'] }, { iss: 'me' }, true],
    ['another issuer', { issuers: ['me'] }, { iss: 'you' }, false],
    ['no issuer', { issuers: ['me'] }, {}, false],
    ['one of its audiences', { audiences: ['hub'] }, { aud: ['x', 'hub'] }, true],
    ['another audience', { audiences: ['hub'] }, { aud: 'x' }, false],
    ['an algorithm that is not accepted', { algorithms: ['HS512'] }, {}, false],
    ['no name', {}, { sub: '' }, false],
    ['the name of nobody', {}, { sub: 'anonymous' }, false],
    ['a name with a line end', {}, { sub: 'a\nb' }, false],
    ['for this device', { clientClaim: 'device' }, { device: 'c1' }, true],
    ['for another device', { clientClaim: 'device' }, { device: 'c2' }, false],
  ])('%s', async (_what, options, claims, taken) => {
    const answer = await prove(await open({ secret: SECRET, ...options }), await sign(claims));
    expect(typeof answer).toBe(taken ? 'object' : 'string');
  });

  test('without an end it is refused, unless that is accepted', async () => {
    const token = await new SignJWT({ sub: 'alice' })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(SECRET));
    expect(await prove(await open({ secret: SECRET }), token)).toBe('bad-credentials');
    expect(await prove(await open({ secret: SECRET, requireExpiry: false }), token)).toMatchObject({
      validUntil: NEVER,
    });
  });

  test('a public key is never taken for a shared secret, and `none` is no signature', async () => {
    const keyFile = join(root, 'rsa.pem');
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string;
    writeFileSync(keyFile, pem);
    const prover = await open({ keyFile });
    expect(await prove(prover, await sign({}, rsa.privateKey, { alg: 'RS256' }))).toMatchObject({
      principal: 'alice',
    });
    expect(await prove(prover, await sign({}, Buffer.from(pem)))).toBe('bad-credentials');
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${part({ alg: 'none' })}.${part({ sub: 'alice', exp: NOW })}.`;
    expect(await prove(prover, unsigned)).toBe('bad-credentials');
  });

  test('what is no token is for somebody else to judge', async () => {
    const prover = await open({ secret: SECRET });
    for (const text of [
      '',
      'secret',
      'a.b.c',
      'eyJ',
      'eyJ.x',
      'eyJhbGciOiJ.x y.z',
      `eyJ${'a'.repeat(70_000)}.a.a`,
    ])
      expect(await prove(prover, text)).toBeUndefined();
  });
});

describe('claims', () => {
  test('by name, or by the path to them', async () => {
    const prover = await open({
      secret: SECRET,
      userClaim: 'preferred_username',
      groupsClaim: 'realm_access.roles',
    });
    const token = await sign({ preferred_username: 'bob', realm_access: { roles: ['ops', 'dev'] } });
    expect(await prove(prover, token)).toMatchObject({ principal: 'bob', groups: ['ops', 'dev'] });
  });

  test.each<[unknown, string[], string[]]>([
    [
      { publish: ['up/%c'], subscribe: 'down/%c' },
      ['publish up/c1', 'subscribe down/c1'],
      ['publish down/c1'],
    ],
    [
      [
        { allow: 'both', filter: '%u/#' },
        { deny: 'both', filter: 'alice/x' },
      ],
      ['publish alice/y'],
      ['publish alice/x'],
    ],
    [{ both: ['a/#'], deny: ['a/b'] }, ['publish a/c'], ['publish a/b', 'subscribe a/#']],
    [[], [], ['publish a']],
  ])('rules %j', async (acl, may, mayNot) => {
    const auth = await ChainAuth.open({ chain: [await open({ secret: SECRET })] });
    const who = await identified(auth, loginOf({ password: password(await sign({ acl })), client: 'c1' }));
    expect(who.unrestricted).toBe(false);
    const allows = (asked: string) => {
      const [action, topic] = asked.split(' ') as ['publish', string];
      return auth.allows(who, 'c1', action, topic);
    };
    expect(may.filter(allows)).toEqual(may);
    expect(mayNot.filter(allows)).toEqual([]);
  });

  test.each([
    'all',
    7,
    { publsh: ['a'] },
    { publish: [7] },
    [{ allow: 'both' }],
    [{ allow: 'both', deny: 'both', filter: 'a' }],
    [{ allow: 'both', filter: 'a/#/b' }],
    [{ allow: 'both', filter: 'a', user: 'bob' }],
    Array.from({ length: 1_025 }, () => ({ allow: 'both', filter: 'a' })),
  ])('rules that are none refuse the token: %j', async (acl) => {
    expect(await prove(await open({ secret: SECRET }), await sign({ acl }))).toBe('bad-credentials');
  });

  test('rules of the file hold for tokens too, by user and by group; deny wins wherever it stands', async () => {
    const aclFile = join(root, 'acl');
    writeFileSync(
      aclFile,
      'group ops\nallow both plant/#\nuser alice\ndeny both plant/secret\nallow publish mine\n',
    );
    const auth = await ChainAuth.open({ aclFile, chain: [await open({ secret: SECRET })] });
    const token = await sign({ groups: ['ops'], acl: { publish: ['plant/secret', 'own'] } });
    const who = await identified(auth, loginOf({ password: password(token) }));
    const topics = ['plant/a', 'plant/secret', 'mine', 'own', 'else'];
    expect(topics.filter((topic) => auth.allows(who, 'c', 'publish', topic))).toEqual([
      'plant/a',
      'mine',
      'own',
    ]);
  });
});

describe('a chain', () => {
  test('the user name beside a token does not matter; other passwords pass it by', async () => {
    const auth = await ChainAuth.open({ chain: ['users', await open({ secret: SECRET })], anonymous: true });
    const token = password(await sign({ sub: 'carol' }));
    expect((await identified(auth, loginOf({ username: 'x', password: token }))).principal).toBe('carol');
    expect(await auth.identify(loginOf({ username: 'x', password: password('y') }))).toBe('bad-credentials');
    expect((await identified(auth, loginOf())).principal).toBe('anonymous');
  });

  test.each([
    ['JWT', (token: string) => token],
    ['OAUTH2-JWT', (token: string) => token],
    ['OAUTHBEARER', (token: string) => `n,a=alice,\x01host=hub\x01auth=Bearer ${token}\x01\x01`],
  ])('%s shows a token in one step', async (mechanism, wrap) => {
    const auth = await ChainAuth.open({ chain: [await open({ secret: SECRET })] });
    const step = (text: string) => auth.exchange(mechanism, loginOf())!.step(password(text));
    expect(await step(wrap(await sign({})))).toMatchObject({
      kind: 'done',
      identity: { principal: 'alice' },
    });
    expect(await step(wrap(await sign({}, Buffer.from(SECRET.toUpperCase()))))).toMatchObject({
      kind: 'refused',
    });
    expect(await step('')).toMatchObject({ kind: 'refused' });
  });
});

describe('a key set at a URL', () => {
  let server: Server;
  let url: string;
  let keys: unknown[] = [];
  let asked = 0;
  let now = NOW;
  const signed = (key: typeof ec, kid: string | undefined) =>
    sign({}, key.privateKey, { alg: 'ES256', ...(kid === undefined ? {} : { kid }) });
  const jwk = async (key: typeof ec, kid?: string) => ({
    ...(await exportJWK(key.publicKey)),
    alg: 'ES256',
    kid,
  });
  beforeAll(async () => {
    server = createServer((_request, response) => {
      asked++;
      response.end(JSON.stringify({ keys }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  });
  afterAll(() => server.closeAllConnections());
  const openUrl = () => open({ jwks: url, requireExpiry: false, now: () => now });

  test('a new key is found when a token names it, and asked for no more than now and then', async () => {
    keys = [await jwk(ec, 'one')];
    const prover = await openUrl();
    expect(await prove(prover, await signed(ec, 'one'))).toMatchObject({ principal: 'alice' });
    keys = [await jwk(ec, 'one'), await jwk(other, 'two')];
    expect(await prove(prover, await signed(other, 'two'))).toBe('bad-credentials'); // fetched a moment ago
    now += 11_000;
    expect(await prove(prover, await signed(other, 'two'))).toMatchObject({ principal: 'alice' });
    const before = asked;
    for (let i = 0; i < 20; i++) await prove(prover, await signed(other, `unknown-${i}`));
    expect(asked).toBe(before);
    prover.close();
  });

  test('a token that does not say which of several keys is tried with each', async () => {
    keys = [await jwk(ec), await jwk(other)];
    const prover = await openUrl();
    expect(await prove(prover, await signed(other, undefined))).toMatchObject({ principal: 'alice' });
    prover.close();
  });

  test('a key that was withdrawn is refused once the set is old; no set at all lets nobody in', async () => {
    keys = [await jwk(ec, 'one')];
    const prover = await openUrl();
    keys = [await jwk(other, 'two')];
    now += 11_000;
    await prover.reload();
    expect(await prove(prover, await signed(ec, 'one'))).toBe('bad-credentials');
    prover.close();
    const silent = await open({ jwks: 'http://127.0.0.1:1/keys', now: () => now });
    expect(await prove(silent, await signed(ec, 'one'))).toBe('unavailable');
    silent.close();
  });
});

test.each<[Partial<JwtOptions>, string, string]>([
  [{ secretFile: 'short' }, 'short', 'the least'],
  [
    { keyFile: 'private' },
    rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    'give the hub the public one',
  ],
  [{ keyFile: 'nonsense' }, 'nonsense', 'neither a public key'],
  [{ jwks: 'set' }, '{"keys": 7}', 'a key set is'],
])('keys that cannot be used are said: %j', async (options, text, fault) => {
  const [[name, file]] = Object.entries(options) as [[string, string]];
  writeFileSync(join(root, file), text);
  await expect(open({ [name]: join(root, file) })).rejects.toThrow(fault);
});

authCases('tokens', async () => {
  const prover = await open({ secret: SECRET, now: Date.now });
  const auth = await ChainAuth.open({ chain: [prover] });
  const at = Math.floor(Date.now() / 1_000);
  const good = await sign({ exp: at + 600 });
  const late = await sign({ exp: at - 600 });
  const login = (token: string) => loginOf({ password: password(token) });
  return {
    auth,
    good: login(good),
    principal: 'alice',
    bad: [login(late), login(`${good.slice(0, -2)}xx`), login('wrong')],
    reload: () => auth.reload(),
  };
});
