// `waymeet acl check`: rules of the configuration and of its file, asked together.

import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import type { Io } from '../../src/cli/io.ts';
import { run as program } from '../../src/cli/program.ts';
import { folder } from './running.ts';

async function ask(at: string, ...words: string[]): Promise<[code: number, said: string]> {
  const output = new PassThrough();
  const errors = new PassThrough();
  const io: Io = {
    input: new PassThrough(),
    output,
    errors,
    environment: {},
    folder: at,
    stopAsked: () => new Promise(() => undefined),
    onStop: () => undefined,
    onReload: () => undefined,
  };
  const code = await program(['acl', 'check', ...words], 'test', io);
  return [code, `${output.read() ?? ''}${errors.read() ?? ''}`];
}

test('both count, and deny wins wherever it stands', async () => {
  const at = folder();
  at.write('rules', 'all\nallow both open/#\n');
  at.write(
    'waymeet.yaml',
    'auth:\n  users: ./users\n  acl: ./rules\n  groups: {ops: [alice]}\n' +
      '  rules:\n    - {group: ops, allow: publish, filter: plant/#}\n    - {deny: both, filter: open/secret}\n',
  );
  expect((await ask(at.path, 'alice', 'publish', 'plant/1'))[0]).toBe(0);
  expect((await ask(at.path, 'alice', 'subscribe', 'plant/1'))[0]).toBe(1);
  expect((await ask(at.path, 'bob', 'publish', 'plant/1'))[0]).toBe(1);
  expect((await ask(at.path, 'bob', 'publish', 'open/a'))[0]).toBe(0);
  expect((await ask(at.path, 'bob', 'publish', 'open/secret'))[0]).toBe(1);
});

test('no rules at all is said with the fix', async () => {
  const [code, said] = await ask(folder().path, 'bob', 'publish', 'a');
  expect(code).toBe(2);
  expect(said).toContain('auth.rules');
});
