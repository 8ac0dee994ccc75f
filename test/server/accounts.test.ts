// `waymeet user`, `waymeet acl` and `waymeet ban` as a person uses them, on files and on a hub that runs.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { connectAsync } from 'mqtt';
import { expect, test } from 'vitest';
import type { Io } from '../../src/cli/io.ts';
import { run as program } from '../../src/cli/program.ts';
import { ending, folder, OFF, start } from './running.ts';

interface Said {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** Runs `waymeet …words` in a folder. */
async function waymeet(at: string, words: string[], environment: Record<string, string> = {}): Promise<Said> {
  const output = new PassThrough();
  const errors = new PassThrough();
  const io: Io = {
    input: new PassThrough(),
    output,
    errors,
    environment,
    folder: at,
    stopAsked: () => new Promise(() => undefined),
    onStop: () => undefined,
    onReload: () => undefined,
  };
  const code = await program(words, 'test', io);
  return { code, output: String(output.read() ?? ''), errors: String(errors.read() ?? '') };
}

const secret = (text: string) => ({ WAYMEET_PASSWORD: text });

test('a rule comes into its section, is listed with a number, checked with its reason, and goes', async () => {
  const { path, write } = folder();
  write('waymeet-acl', '# mine\ngroup ops: alice\n\nall\nallow both open/#\n\nuser bob\nallow publish b\n');
  const acl = (...words: string[]) => waymeet(path, ['acl', ...words]);
  expect(await acl('add', 'deny', 'publish', 'open/secret')).toMatchObject({ code: 0 });
  expect(await acl('add', 'allow', 'both', 'plant/#', '--group', 'ops', '--protocol', 'mqtt')).toMatchObject({
    code: 0,
  });
  expect(readFileSync(join(path, 'waymeet-acl'), 'utf8')).toBe(
    '# mine\ngroup ops: alice\n\nall\nallow both open/#\ndeny publish open/secret\n\nuser bob\nallow publish b\n\n' +
      'group ops, protocol mqtt\nallow both plant/#\n',
  );
  const file = join(path, 'waymeet-acl');
  expect((await acl('list')).output).toBe(
    `group ops: alice\n1  all: allow both open/#  (${file}:5)\n2  all: deny publish open/secret  (${file}:6)\n` +
      `3  user bob: allow publish b  (${file}:9)\n4  group ops, protocol mqtt: allow both plant/#  (${file}:12)\n`,
  );
  const ask = (...words: string[]) => acl('check', ...words, '--acl', 'waymeet-acl');
  expect(await ask('alice', 'publish', 'open/secret')).toMatchObject({
    code: 1,
    output:
      "denied: 'alice' (client '') publish open/secret\n" +
      `  allows   all: allow both open/#  (${file}:5)\n` +
      `> denies   all: deny publish open/secret  (${file}:6)\n` +
      `  nothing  group ops, protocol mqtt: allow both plant/#  (${file}:12)\n`,
  });
  expect((await ask('alice', 'publish', 'plant/1')).code).toBe(0);
  expect((await ask('alice', 'publish', 'plant/1', '--protocol', 'coap')).code).toBe(1);
  expect((await ask('carol', 'publish', 'plant/1', '--group', 'ops')).code).toBe(0);
  expect((await ask('bob', 'publish', 'else')).output).toContain('what none allows is denied');
  expect(await acl('remove', '2')).toMatchObject({ code: 0 });
  expect((await ask('alice', 'publish', 'open/secret')).code).toBe(0);
  expect((await acl('remove', '9')).errors).toContain('there is no rule 9');
  expect((await acl('add', 'allow', 'both', 'a/#/b')).errors).toContain('`#` must be the last level');
});

test('groups are made, changed and shown', async () => {
  const { path } = folder();
  const group = (...words: string[]) => waymeet(path, ['user', 'group', ...words]);
  await group('add', 'ops', 'alice', 'bob');
  await group('add', 'dev', 'carol');
  await group('remove', 'ops', 'alice');
  expect((await group('list')).output).toBe('ops: bob\ndev: carol\n');
  await waymeet(path, ['acl', 'add', 'allow', 'both', 'x/#', '--group', 'dev']);
  await group('remove', 'dev', 'carol');
  expect((await waymeet(path, ['acl', 'list'])).output).toContain('group dev: \n');
});

test('without a configuration there is a usual file, and a word on how to use it; passwd needs somebody', async () => {
  const { path } = folder();
  const added = await waymeet(path, ['user', 'add', 'alice'], secret('wonder'));
  expect(added).toMatchObject({ code: 0 });
  expect(added.errors).toContain(`--auth-users ${join(path, 'waymeet-users')}`);
  expect(await waymeet(path, ['user', 'passwd', 'alice'], secret('land'))).toMatchObject({ code: 0 });
  expect(await waymeet(path, ['user', 'passwd', 'bob'], secret('x'))).toMatchObject({ code: 1 });
  expect((await waymeet(path, ['user', 'list'])).output).toBe('alice\n');
});

test('a configuration that is wrong is said, not passed over; a listener’s own users file is found', async () => {
  const { path, write } = folder();
  write('waymeet.yaml', 'auth: {usrs: x}\n');
  expect((await waymeet(path, ['user', 'add', 'a'], secret('b'))).errors).toContain('--users');
  write('waymeet.yaml', 'listeners: [{name: m, port: 0, auth: {users: ./own}}]\n');
  expect((await waymeet(path, ['user', 'add', 'a'], secret('b'))).errors).toContain(join(path, 'own'));
});

test.each([
  ['auth: {users: ./nobody}', 'waymeet user add NAME'],
  ['auth: {users: ./waymeet.yaml}', 'waymeet.yaml:1: '],
  ['auth: {users: ./users, acl: ./rules}', 'ACL file'],
  ['auth: {jwt: {key: ./key}}', 'correct the path'],
  ['auth: {jwt: {secret: short}}', '32 are the least'],
  ['auth: {jwt: {secretFile: ./users, algorithms: RS256}}', "RS256 needs 'jwks' or 'key'"],
  ['auth: {jwt: {issuer: me}}', 'has no key'],
  ['auth: {http: {url: "ftp://x"}}', 'must be an http or https URL'],
  ['tls: {cert: ./users, key: ./users}', 'is it PEM'],
])('config check looks into the files: %s', async (text, fault) => {
  const { path, write } = folder();
  write('users', '');
  write('waymeet.yaml', `${text}\n`);
  const { code, output } = await waymeet(path, ['config', 'check']);
  expect([code, output]).toEqual([1, expect.stringContaining(fault)]);
});

test('users and rules take effect by themselves, and who is no user any more goes', async () => {
  const { path } = folder();
  const files = { users: join(path, 'waymeet-users'), acl: join(path, 'waymeet-acl') };
  const user = (...words: string[]) => waymeet(path, ['user', ...words], secret('wonder'));
  await user('add', 'alice');
  await waymeet(path, ['acl', 'add', 'allow', 'both', 'a/#']);
  const hub = await start({ watch: '20ms', ports: { ...OFF, mqtt: 0 }, auth: files });
  const connect = async (username: string) => {
    const options = { username, password: 'wonder', reconnectPeriod: 0, protocolVersion: 5 } as const;
    const made = await connectAsync(hub.server.address('mqtt'), options);
    ending(() => made.endAsync(true));
    return made;
  };
  const reloaded = async (change: () => Promise<unknown>) => {
    const before = hub.log.length;
    await change();
    await expect.poll(() => hub.log.slice(before).join('\n')).toContain('reloaded users and rules');
  };
  const alice = await connect('alice');
  await expect(connect('bob')).rejects.toThrow();
  await reloaded(() => user('add', 'bob'));
  const bob = await connect('bob');
  await reloaded(() => waymeet(path, ['acl', 'add', 'deny', 'publish', 'a/b', '--user', 'bob']));
  await expect(bob.publishAsync('a/b', 'x', { qos: 1 })).rejects.toThrow();
  await bob.publishAsync('a/c', 'x', { qos: 1 });
  const sentAway = new Promise((resolve) => alice.once('disconnect', (p) => resolve(p.reasonCode)));
  await reloaded(() => user('remove', 'alice'));
  expect(await sentAway).toBe(0x87);
  const outdated = new Promise((resolve) => bob.once('disconnect', (p) => resolve(p.reasonCode)));
  await reloaded(() => waymeet(path, ['user', 'passwd', 'bob'], secret('other')));
  expect(await outdated).toBe(0x87);
});

test('ban, kick and unban a client of a hub that runs', async () => {
  const hub = await start({
    ports: { ...OFF, mqtt: 0, web: 0 },
    web: { adminPassword: 'right', viewerPassword: 'look' },
  });
  const { path } = folder();
  const url = hub.server.address('web');
  const ask = (words: string[], password = 'right') =>
    waymeet(path, [...words, '--url', url], { WAYMEET_ADMIN_PASSWORD: password });
  const connect = () =>
    connectAsync(hub.server.address('mqtt'), { clientId: 'noisy', reconnectPeriod: 0, protocolVersion: 5 });
  const one = await connect();
  ending(() => one.endAsync(true));
  const closed = new Promise((resolve) => one.once('close', () => resolve('gone')));
  expect(await ask(['kick', 'client', 'noisy'])).toMatchObject({ code: 0, errors: 'sent away: 1\n' });
  expect(await closed).toBe('gone');
  expect(await ask(['ban', 'client', 'noisy', '--for', '1h', '--why', 'noise'])).toMatchObject({ code: 0 });
  await expect(connect()).rejects.toMatchObject({ code: 0x8a });
  expect((await ask(['bans'])).output).toMatch(/^client noisy {2}until \S+ {2}by admin: noise\n$/);
  expect((await ask(['bans', '--user', 'viewer'], 'look')).code).toBe(0);
  expect((await ask(['unban', 'client', 'noisy', '--user', 'viewer'], 'look')).errors).toContain(
    'change nothing',
  );
  expect((await ask(['bans'], 'wrong')).errors).toContain('log in as admin');
  expect((await ask(['ban', 'address', 'nowhere'])).errors).toContain('no IP address');
  expect(await ask(['unban', 'client', 'noisy'])).toMatchObject({ code: 0 });
  const two = await connect();
  await two.endAsync();
  expect((await ask(['kick', 'user', 'nobody'])).errors).toBe("no user 'nobody' is here\n");
});
