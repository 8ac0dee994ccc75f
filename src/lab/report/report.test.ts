// Reports of one small run: tables, CSV, the page with its plots, and where costs cross.

import { beforeAll, describe, expect, test } from 'vitest';
import type { RunLine } from '../result.ts';
import { runLab } from '../run.ts';
import { changesOfBest, crossingsOf, rateInWords } from './crossings.ts';
import { csvOf } from './csv.ts';
import { htmlOf } from './html.ts';
import { type Run, runOf } from './read.ts';
import { tableOf } from './table.ts';

let run: Run;

beforeAll(async () => {
  const lines: RunLine[] = [];
  await runLab(
    {
      messages: 12,
      networks: ['lan', { from: 'wifi', name: 'a <b> & "c"' }],
      variants: ['mqtt5-qos1', 'coap-non'],
      sweeps: ['loss', 'rate'],
      idleMinutes: 5,
      memoryClients: 20,
    },
    { version: '1.2.3', threads: 0, line: (line) => lines.push(line) },
  );
  run = runOf(lines, 'test');
});

test('the table: a block for each network, the best marked, the run named', () => {
  const text = tableOf(run, false);
  expect(text).toMatch(/^lan {2}Ethernet/m);
  expect(text).toMatch(/^mqtt5-qos1 +100\.0 /m);
  expect(text).toMatch(/^coap-non .*\*/m);
  expect(text).toContain(`run ${run.head.run}, seed 1, waymeet 1.2.3`);
  expect(text).not.toContain('\x1b');
  expect(tableOf(run, true)).toContain('\x1b[1m');
});

test('what is of the machine stands apart, and the figures above it are of the seed alone', () => {
  const [figures, machine] = tableOf(run, false).split('this machine\n');
  expect(machine).toMatch(/^variant +client µs\/msg +server µs\/msg +kB a client\n/);
  expect(machine).toMatch(/^mqtt5-qos1 +\d+ +\d+ +\d+\.\d$/m);
  const other = run.cells.map((c) => ({
    ...c,
    host: { clientMs: 1e6, serverMs: 1e6, wallMs: 1e6, events: 1 },
  }));
  const [again, slow] = tableOf({ ...run, cells: other }, false).split('this machine\n');
  expect(again).toBe(figures);
  expect(slow).toMatch(/^mqtt5-qos1 +83333333 +83333333 +–$/m);
});

test('recovery is a column where there was an outage', () => {
  const [first, second, ...rest] = run.cells;
  const cells = [{ ...first!, recoveryMs: 1_234 }, second!, ...rest];
  expect(tableOf(run, false)).not.toContain('back ms');
  const text = tableOf({ ...run, cells }, false);
  expect(text).toMatch(/^mqtt5-qos1 .* 1,234\*$/m);
  expect(text).toMatch(/^coap-non .* never$/m);
});

test('the table says what an interruption left out', () => {
  expect(tableOf({ ...run, cells: run.cells.slice(1) }, false)).toContain('1 of');
});

test('CSV: a header, a row for each cell, and quotes where they are needed', () => {
  const rows = csvOf(run).trimEnd().split('\n');
  expect(rows).toHaveLength(1 + run.cells.length + run.sweeps.length);
  expect(rows[0]).toMatch(/^run,seed,network,variant,sweep,sweep_value,/);
  expect(rows.find((row) => row.includes('""c""'))).toContain('"a <b> & ""c"""');
});

describe('the page', () => {
  test('stands alone, and each figure names its run', async () => {
    const html = await htmlOf(run);
    expect(html).not.toMatch(/<script|<link|src=|@import|url\((?!#)/);
    const figures = html.match(/<figure>/g)!.length;
    expect(figures).toBe(2 * 5);
    expect(
      html.match(new RegExp(`<figcaption>[^<]*run ${run.head.run}, seed 1, waymeet 1.2.3`, 'g')),
    ).toHaveLength(figures);
    expect(html.match(/<svg/g)!.length).toBe(figures);
    expect(html).toContain('a &lt;b&gt; &amp; &quot;c&quot;');
    expect(html).toContain('energy proxy');
    expect(html).toMatch(/<h2 id="machine">This machine.*kB a client.*<td>mqtt5-qos1<\/td><td>\d+<\/td>/s);
  });

  test('without sweeps it says how to have them', async () => {
    expect(await htmlOf({ ...run, sweeps: [] })).toContain('--sweep loss,rate');
  });
});

describe('crossings', () => {
  const line = (variant: string, fixed: number, each: number) => ({
    variant,
    costs: [1, 10, 100, 1_000].map((rate) => ({ rate, octets: fixed + each * rate })),
  });

  test('two lines cross once, near where they do', () => {
    const [cheapIdle, cheapEach] = [line('a', 100, 20), line('b', 1_000, 10)];
    // 100 + 20 r = 1,000 + 10 r at r = 90.
    expect(crossingsOf([cheapIdle, cheapEach])).toEqual([
      expect.objectContaining({ below: 'a', above: 'b', rate: expect.closeTo(90, -1.5) as number }),
    ]);
  });

  test('only changes of the cheapest count as such', () => {
    const curves = [line('a', 100, 20), line('b', 1_000, 10), line('c', 10, 1)];
    const crossings = crossingsOf(curves);
    expect(crossings).toHaveLength(1);
    expect(changesOfBest(curves, crossings)).toEqual([]);
    expect(changesOfBest(curves.slice(0, 2), crossings)).toHaveLength(1);
  });

  test.each([
    [3_600 * 5, '5.0 messages a second'],
    [360, 'one message every 10 s'],
    [6, 'one message every 10 minutes'],
    [0.5, 'one message every 2.0 hours'],
  ])('%d an hour is %s', (rate, words) => expect(rateInWords(rate)).toBe(words));
});
