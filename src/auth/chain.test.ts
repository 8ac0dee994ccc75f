import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Login } from '../contract/auth.ts';
import { authCases, identified, loginOf, password } from './case.ts';
import { ChainAuth, type ChainOptions } from './chain.ts';
import { addUser, removeUser } from './users.ts';

const root = mkdtempSync(join(tmpdir(), 'waymeet-auth-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const usersFile = join(root, 'users');
const pskFile = join(root, 'psk');
const aclFile = join(root, 'acl');
await addUser(usersFile, 'alice', 'wonder', { scramIterations: 4_096 });
await addUser(usersFile, 'bob', 'builder');
const key = '0f'.repeat(32);
writeFileSync(pskFile, `sensor-1:${key}\n`);
writeFileSync(aclFile, 'all\nallow both public/#\nuser alice\nallow both alice/#\n');

const as = (username: string, pass: string, parts: Partial<Login> = {}): Login =>
  loginOf({ username, password: password(pass), ...parts });
const alice = as('alice', 'wonder');
const bad = [
  loginOf(),
  as('alice', 'wrong'),
  as('nobody', 'wonder'),
  as('', ''),
  as('anonymous', ''),
  loginOf({ username: 'alice' }),
  loginOf({ password: password('wonder') }),
  loginOf({ wire: { certificate: { commonName: 'alice', fingerprint: '00' } } }),
  loginOf({ wire: { pskIdentity: 'stranger' } }),
];

for (const [name, options] of [
  ['users', { usersFile }],
  ['users and ACL', { usersFile, aclFile, pskFile }],
] as [string, ChainOptions][]) {
  authCases(`file, ${name}`, async () => {
    const auth = await ChainAuth.open(options);
    return { auth, good: alice, principal: 'alice', bad, reload: () => auth.reload() };
  });
}
authCases('file, certificates', async () => ({
  auth: await ChainAuth.open({ certificateIsUser: true }),
  good: loginOf({ username: 'other', wire: { certificate: { commonName: 'device 7', fingerprint: '00' } } }),
  principal: 'device 7',
  bad: [
    loginOf(),
    as('alice', 'wonder'),
    loginOf({ wire: { certificate: { commonName: '', fingerprint: '00' } } }),
    loginOf({ wire: { certificate: { commonName: 'anonymous', fingerprint: '00' } } }),
  ],
}));
authCases('file, pre-shared keys', async () => ({
  auth: await ChainAuth.open({ pskFile }),
  good: loginOf({ wire: { pskIdentity: 'sensor-1' } }),
  principal: 'sensor-1',
  bad: [loginOf(), loginOf({ wire: { pskIdentity: 'sensor-2' } })],
}));

describe('who may enter', () => {
  test('the reasons', async () => {
    const auth = await ChainAuth.open({ usersFile });
    expect(await auth.identify(loginOf())).toBe('not-authorized');
    expect(await auth.identify(as('alice', 'wrong'))).toBe('bad-credentials');
    const full = await ChainAuth.open({ usersFile, passwords: { waiting: 0 } });
    expect(await full.identify(alice)).toBe('busy');
  });

  test('anonymous and certificates, by listener', async () => {
    const auth = await ChainAuth.open({
      anonymous: (listener) => listener === 'local',
      certificateIsUser: (listener) => listener === 'tls',
    });
    const wire = { certificate: { commonName: 'device', fingerprint: '00' } };
    expect(await auth.identify(loginOf({ listener: 'local' }))).toMatchObject({ principal: 'anonymous' });
    expect(await auth.identify(loginOf({ listener: 'mqtt' }))).toBe('not-authorized');
    expect(await auth.identify(loginOf({ listener: 'tls', wire }))).toMatchObject({ principal: 'device' });
    expect(await auth.identify(loginOf({ listener: 'local', wire }))).toMatchObject({
      principal: 'anonymous',
    });
    expect(await auth.identify(as('alice', 'wonder', { listener: 'local' }))).toBe('bad-credentials');
  });

  test('the key for the handshake', async () => {
    const auth = await ChainAuth.open({ pskFile });
    expect(auth.pskKey('sensor-1')).toEqual(Buffer.from(key, 'hex'));
    expect(auth.pskKey('sensor-2')).toBeUndefined();
  });
});

describe('SCRAM-SHA-256', () => {
  async function login(auth: ChainAuth, name: string, pass: string) {
    const exchange = auth.exchange('SCRAM-SHA-256', alice)!;
    const first = await exchange.step(Buffer.from(`n,,n=${name},r=abc`));
    if (first.kind !== 'challenge') return first;
    const challenge = Buffer.from(first.reply).toString();
    const [, nonce, salt, iterations] = /^r=(.*),s=(.*),i=(\d+)$/.exec(challenge)!;
    expect(iterations).toBe('4096');
    const mac = (secret: Buffer, text: string) => createHmac('sha256', secret).update(text).digest();
    const clientKey = mac(pbkdf2Sync(pass, Buffer.from(salt!, 'base64'), 4_096, 32, 'sha256'), 'Client Key');
    const without = `c=biws,r=${nonce}`;
    const message = `n=${name},r=abc,${challenge},${without}`;
    const signature = mac(createHash('sha256').update(clientKey).digest(), message);
    const proof = Buffer.from(clientKey.map((o, i) => o ^ signature[i]!)).toString('base64');
    return exchange.step(Buffer.from(`${without},p=${proof}`));
  }

  test('the right password gives the identity that a plain login gives', async () => {
    const auth = await ChainAuth.open({ usersFile });
    expect(await login(auth, 'alice', 'wonder')).toMatchObject({
      kind: 'done',
      identity: await identified(auth, alice),
    });
    expect(await login(auth, 'alice', 'wrong')).toEqual({ kind: 'refused', why: 'bad-credentials' });
  });

  test('users without the credential, and unknown ones, look alike and are refused', async () => {
    const auth = await ChainAuth.open({ usersFile });
    expect(await login(auth, 'bob', 'builder')).toEqual({ kind: 'refused', why: 'bad-credentials' });
    expect(await login(auth, 'nobody', '')).toEqual({ kind: 'refused', why: 'bad-credentials' });
  });

  test('it is not offered without a users file', async () => {
    expect((await ChainAuth.open({ pskFile })).exchange('SCRAM-SHA-256', alice)).toBeUndefined();
  });
});

test('who sealed a message with a key of its own (OSCORE) is that user, under the same rules', async () => {
  const auth = await ChainAuth.open({ usersFile, aclFile });
  const who = await identified(auth, loginOf({ protocol: 'coap', wire: { sealedBy: 'alice' } }));
  expect(who.principal).toBe('alice');
  expect(['alice/x', 'else'].map((topic) => auth.allows(who, 'c', 'publish', topic))).toEqual([true, false]);
});

test('rules by protocol and listener', async () => {
  const acl = {
    rules: [
      { who: { protocol: 'mqtt' }, allow: 'both', filter: 'm/#' },
      { who: { user: 'alice', listener: 'lan' }, allow: 'both', filter: 'lan/#' },
      { who: { protocol: 'http' }, deny: 'publish', filter: 'm/#' },
      { who: {}, allow: 'publish', filter: 'm/#' },
    ],
  } as const;
  const auth = await ChainAuth.open({ usersFile, acl });
  const may = async (parts: Partial<Login>, topics: string[]) => {
    const who = await identified(auth, { ...alice, ...parts });
    return topics.filter((topic) => auth.allows(who, 'c', 'publish', topic));
  };
  const topics = ['m/a', 'lan/a'];
  expect(await may({}, topics)).toEqual(['m/a']);
  expect(await may({ listener: 'lan', protocol: 'coap' }, topics)).toEqual(topics);
  expect(await may({ protocol: 'http' }, topics)).toEqual([]);
  expect(auth.absent('alice')).toBeUndefined(); // nobody knows by what it would come
});

describe('rights', () => {
  test('without an ACL whoever enters may do everything', async () => {
    const auth = await ChainAuth.open({ usersFile });
    const identity = await identified(auth, alice);
    expect(identity.unrestricted).toBe(true);
    expect(auth.allows(identity, 'c', 'subscribe', '$SYS/#')).toBe(true);
  });

  test('with one, what it says; rules of the configuration and of the file add up', async () => {
    const auth = await ChainAuth.open({
      usersFile,
      aclFile,
      acl: {
        rules: [{ who: { group: 'builders' }, allow: 'both', filter: 'site/#' }],
        groups: { builders: ['bob'] },
      },
    });
    const one = await identified(auth, alice);
    const two = await identified(auth, as('bob', 'builder'));
    expect(one.unrestricted).toBe(false);
    expect(['public/x', 'alice/x', 'site/x', 'else'].map((t) => auth.allows(one, 'c', 'publish', t))).toEqual(
      [true, true, false, false],
    );
    expect(['public/x', 'alice/x', 'site/x', 'else'].map((t) => auth.allows(two, 'c', 'publish', t))).toEqual(
      [true, false, true, false],
    );
  });

  test('clients with the same rights share an identity; where rules tell clients apart, they do not', async () => {
    const plain = await ChainAuth.open({ usersFile, aclFile });
    expect(await plain.identify(as('alice', 'wonder', { client: 'c2' }))).toBe(await plain.identify(alice));
    const acl = { rules: [{ who: {}, allow: 'both', filter: 'c/%c' }] } as const;
    const apart = await ChainAuth.open({ usersFile, acl });
    expect(await apart.identify(as('alice', 'wonder', { client: 'c2' }))).not.toBe(
      await apart.identify(alice),
    );
  });
});

describe('reload', () => {
  const write = async (name: string) => {
    const files = { usersFile: join(root, `${name}-users`), aclFile: join(root, `${name}-acl`) };
    await addUser(files.usersFile, 'alice', 'wonder');
    await addUser(files.usersFile, 'bob', 'builder');
    writeFileSync(files.aclFile, 'all\nallow both a/#\n');
    return files;
  };

  test('new rules hold for who is connected', async () => {
    const files = await write('rules');
    const auth = await ChainAuth.open(files);
    const identity = await identified(auth, alice);
    writeFileSync(files.aclFile, 'all\nallow both b/#\n');
    expect(auth.allows(identity, 'c', 'publish', 'a/x')).toBe(true);
    await auth.reload();
    expect(auth.allows(identity, 'c', 'publish', 'a/x')).toBe(false);
    expect(auth.allows(identity, 'c', 'publish', 'b/x')).toBe(true);
  });

  test('a removed user may do nothing any more, an ACL or not; another password opens', async () => {
    const files = await write('users');
    for (const options of [files, { usersFile: files.usersFile }]) {
      await addUser(files.usersFile, 'alice', 'wonder');
      const auth = await ChainAuth.open(options);
      const identity = await identified(auth, alice);
      await removeUser(files.usersFile, 'alice');
      await auth.reload();
      expect(identity.unrestricted).toBe(false);
      expect(auth.allows(identity, 'c', 'publish', 'a/x')).toBe(false);
      expect(await auth.identify(alice)).toBe('bad-credentials');
      await addUser(files.usersFile, 'alice', 'land');
      await auth.reload();
      expect(await auth.identify(alice)).toBe('bad-credentials');
      expect(await identified(auth, as('alice', 'land'))).toMatchObject({ principal: 'alice' });
    }
  });

  test('a login that is under way when the user is removed does not get in', async () => {
    const files = await write('race');
    const auth = await ChainAuth.open({ ...files, passwords: { concurrency: 1 } });
    for (let i = 0; i < 15; i++) void auth.identify(as('bob', `wrong ${i}`)); // alice's turn comes after the reload
    const answer = auth.identify(alice);
    writeFileSync(files.usersFile, '');
    await auth.reload();
    expect(await answer).toBe('bad-credentials');
  });

  test('other options take the place of the first', async () => {
    const files = await write('options');
    const auth = await ChainAuth.open(files);
    expect(await auth.identify(loginOf())).toBe('not-authorized');
    await auth.reload({ anonymous: true, acl: { rules: [{ who: {}, allow: 'both', filter: 'x' }] } });
    const identity = await identified(auth, loginOf());
    expect(['x', 'a/x'].map((topic) => auth.allows(identity, 'c', 'publish', topic))).toEqual([true, false]);
    expect(await auth.identify(alice)).toBe('bad-credentials');
  });

  test('a shared identity gains nothing from rules that tell clients apart, until it comes again', async () => {
    const files = await write('clients');
    const auth = await ChainAuth.open(files);
    const before = await identified(auth, alice);
    writeFileSync(files.aclFile, 'all\nallow both a/#\nallow both c/%c\ndeny publish a/%c\n');
    await auth.reload();
    expect(auth.allows(before, 'client-1', 'publish', 'c/client-1')).toBe(false);
    expect(auth.allows(before, 'client-1', 'publish', 'a/other')).toBe(false);
    const after = await identified(auth, alice);
    expect(auth.allows(after, 'client-1', 'publish', 'c/client-1')).toBe(true);
    expect(auth.allows(after, 'client-1', 'publish', 'a/other')).toBe(true);
  });

  test('faults: all of them are told, and what was read before still holds', async () => {
    const files = await write('faults');
    const auth = await ChainAuth.open(files);
    const epoch = auth.epoch;
    writeFileSync(files.usersFile, 'alice:plain\n');
    writeFileSync(files.aclFile, 'all\nallw both #\n');
    await expect(auth.reload()).rejects.toThrow(
      /faults-users:1: the password of `alice` is not hashed.*\n.*faults-acl:2: unknown word `allw`; did you mean `allow`/,
    );
    expect(auth.epoch).toBe(epoch);
    expect(await identified(auth, alice)).toMatchObject({ principal: 'alice' });
    rmSync(files.aclFile);
    await expect(auth.reload()).rejects.toThrow(/cannot read the ACL file .*: write it/);
  });
});
