// docs/mapping.md says what the interop tests assert: `npx vitest run test/interop/mapping.test.ts -u` writes it anew.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { written } from './mapping.ts';

const FILE = path.join(import.meta.dirname, '../../docs/mapping.md');

test('the tables of the document are those of the tests and the towers', async () => {
  await expect(written(readFileSync(FILE, 'utf8'))).toMatchFileSnapshot(FILE);
});

test('a document without a place for a table is refused', () => {
  expect(() => written('# Nothing\n')).toThrow('has no place for abilities');
});
