// What the tests cover of a ledger, and how that is written down for people.

import type { Row } from './row.ts';

export interface Coverage {
  /** Rows that a passing test is named by. */
  readonly covered: number;
  /** Rows that only a client can break. */
  readonly clientOnly: number;
  readonly open: readonly Row[];
}

/** The counts that may only rise, one a standard; count.json holds them. */
export type Counts = Readonly<Record<string, number>>;

const ID = /\[(MQTT(?:311|5)-\d+(?:\.\d+)+-\d+)\]/g;

/** The clauses in a test's title, `[MQTT5-3.1.2-1] [MQTT5-3.1.2-2] …`. */
export function idsOf(title: string): string[] {
  return [...title.matchAll(ID)].map((match) => match[1]!);
}

/** A clause is covered when a test that passed is named by it and no test that failed is. */
export function coverageOf(
  ledger: readonly Row[],
  passed: Iterable<string>,
  failed: Iterable<string>,
): Coverage {
  const good = new Set([...passed].flatMap(idsOf));
  const bad = new Set([...failed].flatMap(idsOf));
  const isCovered = (row: Row): boolean => good.has(row.id) && !bad.has(row.id);
  const owed = ledger.filter((row) => row.applies !== 'client');
  return {
    covered: owed.filter(isCovered).length,
    clientOnly: ledger.length - owed.length,
    open: owed.filter((row) => !isCovered(row)),
  };
}

/** Clauses that tests are named by and no ledger has. */
export function unknownIds(ledgers: readonly (readonly Row[])[], titles: Iterable<string>): string[] {
  const known = new Set(ledgers.flat().map((row) => row.id));
  return [...new Set([...titles].flatMap(idsOf))].filter((id) => !known.has(id));
}

/** Standards that are covered less than before: sentences, none when all is well. */
export function losses(before: Counts, now: Counts): string[] {
  return Object.keys(before)
    .filter((standard) => (now[standard] ?? 0) < before[standard]!)
    .map(
      (standard) =>
        `${standard}: ${now[standard] ?? 0} covered, ${before[standard]} before; the count may only rise`,
    );
}

/** A paragraph a standard: the counts, then the gaps one a line. */
export function describeCoverage(standard: string, total: number, c: Coverage): string {
  const lines = [
    `${standard}: ${total} statements, ${c.covered} covered, ${c.clientOnly} client-only, ${c.open.length} open`,
    ...c.open.map((row) => `  ${row.id}  ${row.says}`),
  ];
  return lines.join('\n');
}
