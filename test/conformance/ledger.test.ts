// The ledgers are whole, and the counting that watches over them counts right.

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { coverageOf, describeCoverage, idsOf, losses, unknownIds } from './coverage.ts';
import { LEDGER_5 } from './ledger-5.ts';
import { LEDGER_311 } from './ledger-311.ts';
import { both, client, type Row, server } from './row.ts';

/** How many statements each section of a standard numbers. */
const SECTIONS_311 = {
  '1.5.3': 3,
  '2.2.2': 2,
  '2.3.1': 7,
  '3.1.0': 2,
  '3.1.2': 24,
  '3.1.3': 11,
  '3.1.4': 5,
  '3.2.0': 1,
  '3.2.2': 6,
  '3.3.1': 12,
  '3.3.2': 3,
  '3.3.4': 1,
  '3.3.5': 2,
  '3.6.1': 1,
  '3.8.1': 1,
  '3.8.3': 4,
  '3.8.4': 6,
  '3.9.3': 2,
  '3.10.1': 1,
  '3.10.3': 2,
  '3.10.4': 6,
  '3.12.4': 1,
  '3.14.1': 1,
  '3.14.4': 3,
  '4.1.0': 2,
  '4.3.1': 1,
  '4.3.2': 2,
  '4.3.3': 2,
  '4.4.0': 1,
  '4.5.0': 2,
  '4.6.0': 6,
  '4.7.1': 3,
  '4.7.2': 1,
  '4.7.3': 4,
  '4.8.0': 2,
  '6.0.0': 4,
  '7.0.0': 2,
  '7.1.1': 1,
  '7.1.2': 1,
};

const SECTIONS_5 = {
  '1.5.4': 3,
  '1.5.5': 1,
  '1.5.7': 1,
  '2.1.3': 1,
  '2.2.1': 6, // without 1
  '2.2.2': 1,
  '3.1.0': 2,
  '3.1.2': 30,
  '3.1.3': 12,
  '3.1.4': 6,
  '3.2.0': 2,
  '3.2.2': 22,
  '3.3.1': 13,
  '3.3.2': 20,
  '3.3.4': 10,
  '3.4.2': 3,
  '3.5.2': 3,
  '3.6.1': 1,
  '3.6.2': 3,
  '3.7.2': 3,
  '3.8.1': 1,
  '3.8.3': 5,
  '3.8.4': 8,
  '3.9.2': 2,
  '3.9.3': 2,
  '3.10.1': 1,
  '3.10.3': 2,
  '3.10.4': 6,
  '3.11.2': 2,
  '3.11.3': 2,
  '3.12.4': 1,
  '3.14.0': 1,
  '3.14.1': 1,
  '3.14.2': 4,
  '3.14.4': 3,
  '3.15.1': 1,
  '3.15.2': 3,
  '4.1.0': 2,
  '4.2.0': 1,
  '4.3.1': 1,
  '4.3.2': 5,
  '4.3.3': 13,
  '4.4.0': 2,
  '4.5.0': 2,
  '4.6.0': 6,
  '4.7.0': 1,
  '4.7.1': 2,
  '4.7.2': 1,
  '4.7.3': 4,
  '4.8.2': 6,
  '4.9.0': 3,
  '4.12.0': 7,
  '4.12.1': 2,
  '4.13.1': 1,
  '4.13.2': 1,
  '6.0.0': 4,
};

const LEDGERS = [
  ['MQTT311', LEDGER_311, SECTIONS_311, 141, []],
  ['MQTT5', LEDGER_5, SECTIONS_5, 251, ['MQTT5-2.2.1-1']],
] as const;

for (const [prefix, ledger, sections, total, missing] of LEDGERS) {
  test(`${prefix}: every number of every section is there once, in order`, () => {
    const wanted = Object.entries(sections).flatMap(([section, count]) =>
      Array.from({ length: count }, (_, n) => `${prefix}-${section}-${n + 1}`),
    );
    const skipped: readonly string[] = missing;
    expect(ledger.map((row) => row.id)).toEqual(wanted.filter((id) => !skipped.includes(id)));
    expect(ledger.length).toBe(total);
  });

  test(`${prefix}: every row says what it asks for, and client-only rows say why no broker test can hold them`, () => {
    for (const row of ledger) {
      expect(row.says.length, row.id).toBeGreaterThan(10);
      expect(row.reason !== undefined, row.id).toBe(row.applies === 'client');
    }
  });
}

test('no test of a clause is skipped, and no clause is misspelt', () => {
  const known = new Set([...LEDGER_311, ...LEDGER_5].map((row) => row.id));
  const here = new URL('.', import.meta.url);
  const names = readdirSync(here).filter((name) => name.endsWith('.test.ts') && name !== 'ledger.test.ts');
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) {
    const source = readFileSync(new URL(name, here), 'utf8');
    expect(source, name).not.toMatch(/\.(skip|todo|only|skipIf|runIf|fails)\b/);
    const ids = source.match(/MQTT(311|5)-[\d.]+-\d+/g) ?? [];
    for (const id of ids) expect(known.has(id), `${name}: ${id}`).toBe(true);
  }
});

const ROWS: readonly Row[] = [
  server('MQTT5-1.0.0-1', 'tested and passing'),
  both('MQTT5-1.0.0-2', 'tested and failing'),
  server('MQTT5-1.0.0-3', 'tested by two, one fails'),
  client('MQTT5-1.0.0-4', 'for clients', 'because'),
  server('MQTT5-1.0.0-10', 'not tested'),
];

test('a clause is covered by a passing test, and not while another of its tests fails', () => {
  const passed = ['[MQTT5-1.0.0-1] [MQTT5-1.0.0-3] works', 'MQTT5-1.0.0-10 is mentioned'];
  const failed = ['[MQTT5-1.0.0-2] breaks', '[MQTT5-1.0.0-3] breaks'];
  const coverage = coverageOf(ROWS, passed, failed);
  expect([coverage.covered, coverage.clientOnly]).toEqual([1, 1]);
  expect(coverage.open.map((row) => row.id)).toEqual(['MQTT5-1.0.0-2', 'MQTT5-1.0.0-3', 'MQTT5-1.0.0-10']);
  expect(describeCoverage('MQTT 5.0', ROWS.length, coverage).split('\n')).toEqual([
    'MQTT 5.0: 5 statements, 1 covered, 1 client-only, 3 open',
    '  MQTT5-1.0.0-2  tested and failing',
    '  MQTT5-1.0.0-3  tested by two, one fails',
    '  MQTT5-1.0.0-10  not tested',
  ]);
});

test('ids are read from titles as wholes', () => {
  expect(idsOf('suite > [MQTT311-3.10.4-1] [MQTT5-3.10.4-1] x [MQTT5-nothing] [RFC7252-4.2]')).toEqual([
    'MQTT311-3.10.4-1',
    'MQTT5-3.10.4-1',
  ]);
  expect(unknownIds([ROWS], ['[MQTT5-1.0.0-1]', '[MQTT5-9.9.9-9]'])).toEqual(['MQTT5-9.9.9-9']);
});

test('a count that falls is a loss, one that rises or appears is not', () => {
  expect(losses({ a: 3, b: 3 }, { a: 3, b: 4, c: 1 })).toEqual([]);
  expect(losses({ a: 3, b: 3 }, { a: 2 })).toEqual([
    'a: 2 covered, 3 before; the count may only rise',
    'b: 0 covered, 3 before; the count may only rise',
  ]);
});
