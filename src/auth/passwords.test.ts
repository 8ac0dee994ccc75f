import { expect, test } from 'vitest';
import { password } from './case.ts';
import { hashPassword, isPasswordHash, Passwords } from './passwords.ts';

const hash = await hashPassword('right');

test('argon2id with the parameters that OWASP names', () => {
  expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(isPasswordHash(hash)).toBe(true);
  for (const bad of ['right', '', '$7$101$x$y', hash.slice(0, 30), `${hash}:`, '$argon2id$v=19$m=x']) {
    expect(isPasswordHash(bad)).toBe(false);
  }
});

test('right, wrong, empty and binary passwords', async () => {
  const passwords = new Passwords();
  expect(await passwords.check(hash, password('right'))).toBe(true);
  expect(await passwords.check(hash, password('wrong'))).toBe(false);
  expect(await passwords.check(hash, password(''))).toBe(false);
  const octets = Uint8Array.of(0, 255, 128);
  const binary = await hashPassword(octets);
  expect(await passwords.check(binary, octets)).toBe(true);
  expect(await passwords.check(binary, Uint8Array.of(0, 255))).toBe(false);
});

test('a right answer is remembered for its time, a wrong one is not', async () => {
  let now = 1_000;
  const passwords = new Passwords({ rememberMs: 100, now: () => now });
  for (let i = 0; i < 3; i++) expect(await passwords.check(hash, password('right'))).toBe(true);
  expect(passwords.computed).toBe(1);
  for (let i = 0; i < 2; i++) expect(await passwords.check(hash, password('wrong'))).toBe(false);
  expect(passwords.computed).toBe(3);
  now += 100;
  expect(await passwords.check(hash, password('right'))).toBe(true);
  expect(passwords.computed).toBe(4);
});

test('a changed password makes the memory worthless', async () => {
  const passwords = new Passwords();
  expect(await passwords.check(hash, password('right'))).toBe(true);
  expect(await passwords.check(await hashPassword('new'), password('right'))).toBe(false);
});

test('an unknown user costs what a known one costs, and is never let in', async () => {
  const passwords = new Passwords();
  for (let i = 1; i <= 3; i++) {
    expect(await passwords.check(undefined, password('right'))).toBe(false);
    expect(passwords.computed).toBe(i);
  }
});

test('a storm of equal logins is one computation; of different ones, so many at a time, and then busy', async () => {
  const passwords = new Passwords({ concurrency: 1, waiting: 3 });
  const equal = await Promise.all(
    Array.from({ length: 500 }, () => passwords.check(hash, password('right'))),
  );
  expect(equal.every((answer) => answer === true)).toBe(true);
  expect(passwords.computed).toBe(1);
  const different = await Promise.all(
    Array.from({ length: 8 }, (_, i) => passwords.check(hash, password(`wrong ${i}`))),
  );
  expect(different).toEqual([false, false, false, false, 'busy', 'busy', 'busy', 'busy']);
  expect(await passwords.check(hash, password('wrong'))).toBe(false);
});

test('no more is remembered than asked for: the oldest goes', async () => {
  const passwords = new Passwords({ remembered: 1 });
  const other = await hashPassword('other');
  await passwords.check(hash, password('right'));
  await passwords.check(other, password('other'));
  await passwords.check(other, password('other'));
  expect(passwords.computed).toBe(2);
  await passwords.check(hash, password('right'));
  expect(passwords.computed).toBe(3);
});

test('a damaged hash rejects, and the places are given back', async () => {
  const passwords = new Passwords({ concurrency: 1 });
  for (let i = 0; i < 3; i++) await expect(passwords.check('$argon2id$x', password('a'))).rejects.toThrow();
  expect(await passwords.check(hash, password('right'))).toBe(true);
});
