import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { parsePsk } from './psk.ts';
import { addUser, listUsers, parseUsers, removeUser, verifyUser } from './users.ts';

const root = mkdtempSync(join(tmpdir(), 'waymeet-users-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let file: string;
let made = 0;
beforeEach(() => {
  file = join(root, `users-${made++}`);
});

describe('editing the file', () => {
  test('add, change, verify, list, remove', async () => {
    expect(await addUser(file, 'alice', 'one')).toBe('added');
    expect(await addUser(file, 'bob', 'two', { scramIterations: 4_096 })).toBe('added');
    expect(await verifyUser(file, 'alice', 'one')).toBe(true);
    expect(await addUser(file, 'alice', 'three')).toBe('changed');
    expect(await verifyUser(file, 'alice', 'one')).toBe(false);
    expect(await verifyUser(file, 'alice', 'three')).toBe(true);
    expect(await verifyUser(file, 'nobody', 'three')).toBe(false);
    const users = await listUsers(file);
    expect(users.map(({ name, scram }) => [name, scram?.iterations])).toEqual([
      ['alice', undefined],
      ['bob', 4_096],
    ]);
    expect(await removeUser(file, 'alice')).toBe(true);
    expect(await removeUser(file, 'alice')).toBe(false);
    expect((await listUsers(file)).map(({ name }) => name)).toEqual(['bob']);
  });

  test('comments and other lines stay; nobody else may read it; no temporary file is left', async () => {
    writeFileSync(file, '# mine\n\nold:x');
    chmodSync(file, 0o644);
    await addUser(file, 'alice', 'one');
    await removeUser(file, 'old');
    expect(readFileSync(file, 'utf8')).toMatch(/^# mine\n\nalice:\$argon2id\$[^\n]+\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(root).filter((name) => name.startsWith(`${file.split('/').at(-1)}.`))).toEqual([]);
  });

  test('names and passwords that cannot be are refused', async () => {
    for (const name of ['', 'a:b', ' a', 'a ', '#a', 'a\nb:x', 'anonymous', 'x'.repeat(257)]) {
      await expect(addUser(file, name, 'x')).rejects.toThrow(/name/);
    }
    await expect(addUser(file, 'a', '')).rejects.toThrow('password is empty');
    await expect(addUser(file, '\u2168', 'x', { scramIterations: 4_096 })).rejects.toThrow('another name');
    await expect(addUser(file, 'a', 'x', { scramIterations: 100 })).rejects.toThrow('4096');
  });

  test('a directory that is not there, a file that is not there', async () => {
    await expect(addUser(join(root, 'no', 'users'), 'a', 'x')).rejects.toThrow(/cannot write .*may write in/);
    await expect(listUsers(file)).rejects.toThrow(
      /cannot read the users file .*: make it with `waymeet user add NAME`/,
    );
  });
});

describe('faults in the users file, with line and fix, and without the password', () => {
  const rows: [text: string, fault: RegExp][] = [
    ['alice', /^u:1: expected `name:hash`; add users with/],
    [
      '\nalice:hunter2',
      /^u:2: the password of `alice` is not hashed, or damaged; set it with `waymeet user add alice`$/,
    ],
    ['alice:$7$101$abc$def', /^u:1: the password of `alice` is of another kind than argon2/],
    ['alice:', /^u:1: the password of `alice`/],
    ['alice:SCRAM-SHA-256$1:a$b:c', /^u:1: the SCRAM credential of `alice` is damaged/],
    [':x', /^u:1: the user name is empty/],
    ['anonymous:x', /^u:1: `anonymous` means nobody/],
  ];
  for (const [text, fault] of rows)
    test(JSON.stringify(text), () => expect(() => parseUsers(text, 'u')).toThrow(fault));

  test('a user who is there twice', async () => {
    await addUser(file, 'alice', 'one');
    const text = readFileSync(file, 'utf8');
    expect(() => parseUsers(text + text, 'u')).toThrow(/^u:4: user `alice` is there twice/);
  });

  test('a user with SCRAM alone', async () => {
    await addUser(file, 'alice', 'one', { scramIterations: 4_096 });
    const text = readFileSync(file, 'utf8').replace(/:\$argon2id[^:]*/, '');
    expect(parseUsers(text, 'u').get('alice')).toMatchObject({
      hash: undefined,
      scram: { iterations: 4_096 },
    });
  });
});

test('the PSK file', () => {
  const key = 'a1'.repeat(16);
  const keys = parsePsk(`# devices\nsensor-1:${key}\n`, 'p');
  expect(keys.get('sensor-1')).toEqual(Buffer.from(key, 'hex'));
  expect(() => parsePsk('sensor-1:abcd', 'p')).toThrow(
    /^p:1: the key of `sensor-1` must be at least 16 octets in hex/,
  );
  expect(() => parsePsk(`x:${'zz'.repeat(16)}`, 'p')).toThrow('in hex');
  expect(() => parsePsk(`:${key}`, 'p')).toThrow('the identity is empty');
  expect(() => parsePsk(`a:${key}\na:${key}`, 'p')).toThrow(/^p:2: identity `a` is there twice/);
  expect(() => parsePsk(key, 'p')).toThrow('the identity is empty');
});
