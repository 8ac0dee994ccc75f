// Both shelves by one case file; and what a folder has to bear besides: restarts, broken files, a full disk, no folder at all.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FolderShelf } from './folder-shelf.ts';
import { linesOf, runId, shelfCases } from './shelf.case.ts';
import { MemoryShelf, textOf } from './shelf.ts';

describe('in memory', () => shelfCases((limits) => new MemoryShelf(limits)));

describe('in a folder', () => {
  let base: string;
  let folder: string;
  beforeEach(() => {
    base = mkdtempSync(path.join(tmpdir(), 'waymeet-shelf-'));
    folder = path.join(base, 'lab');
  });
  afterEach(() => rmSync(base, { recursive: true }));

  shelfCases((limits) => new FolderShelf(folder, limits));

  const NAME = `2026-11-22T22-30-00.123Z-${runId(7)}.ndjson`;
  const AT = Date.parse('2026-11-22T22:30:00.123Z');

  test('another process finds what was kept, and only that: nothing half written, nothing dropped', async () => {
    const shelf = new FolderShelf(folder);
    await shelf.keep(AT, linesOf(runId(7)));
    await shelf.keep(AT + 1, linesOf(runId(8)));
    await shelf.drop(runId(8));
    expect(readdirSync(folder)).toEqual([NAME]);
    writeFileSync(path.join(folder, 'writing.tmp'), '{"kind":"ru');
    const next = new FolderShelf(folder);
    expect(await next.list()).toMatchObject([
      { head: { run: runId(7) }, startedAt: AT, done: 2, state: 'done', onDisk: true },
    ]);
    expect(await next.text(runId(7))).toBe(textOf(linesOf(runId(7))));
    expect([readdirSync(folder), next.problems]).toEqual([[NAME], []]);
  });

  test('a run that was cut off in the middle of a line is there as far as it came', async () => {
    mkdirSync(folder);
    writeFileSync(path.join(folder, NAME), textOf(linesOf(runId(7))).slice(0, -20));
    expect(await new FolderShelf(folder).list()).toMatchObject([{ state: 'interrupted', done: 2 }]);
  });

  test.each([
    ['noise', '\0\0', 'no run'],
    ['no JSON in the middle', '{"kind":"run"\n{}\n', 'line 1 is no JSON'],
    ['another shape', '{"kind":"run","format":1,"run":7}\n', 'line 1 is no line of a run'],
    ['a cell that is none', `${textOf(linesOf(runId(7)).slice(0, 1))}{"kind":"cell"}\n`, 'line 2 is no line'],
    ['another format', '{"kind":"run","format":2}\n', 'has format 2'],
    ['another run', textOf(linesOf(runId(9))), `it holds run ${runId(9)}`],
    ['nothing', '', 'holds no run'],
  ])('a file with %s: a sentence, and the others are there', async (_what, text, sentence) => {
    const shelf = new FolderShelf(folder);
    await shelf.keep(AT - 1, linesOf(runId(1)));
    writeFileSync(path.join(folder, NAME), text);
    writeFileSync(path.join(folder, 'README'), 'none of ours: not looked at');
    const next = new FolderShelf(folder);
    expect((await next.list()).map(({ head }) => head.run)).toEqual([runId(1)]);
    expect(next.problems).toEqual([expect.stringContaining(sentence)]);
    expect(next.problems[0]).toContain('delete it if nobody needs it');
  });

  test('a file that goes while the hub runs: there is none any more', async () => {
    const shelf = new FolderShelf(folder);
    await shelf.keep(AT, linesOf(runId(7)));
    rmSync(path.join(folder, NAME));
    expect([await shelf.text(runId(7)), await shelf.list()]).toEqual([undefined, []]);
    expect(shelf.problems[0]).toContain('ENOENT: no such file or directory');
  });

  test('a full disk: kept in memory, and said; what was there stays', async () => {
    const shelf = new FolderShelf(folder);
    await shelf.keep(AT, linesOf(runId(7)));
    symlinkSync('/dev/full', path.join(folder, 'writing.tmp'));
    await shelf.keep(AT + 1, linesOf(runId(8)));
    expect(await shelf.list()).toMatchObject([
      { head: { run: runId(8) }, onDisk: false },
      { head: { run: runId(7) }, onDisk: true },
    ]);
    expect(await shelf.text(runId(8))).toContain(runId(8));
    expect(shelf.problems).toEqual([
      `run ${runId(8)} is kept in memory only, because ENOSPC: no space left on device: make room in ${folder}`,
    ]);
  });

  test('a file where the folder should be: the same', async () => {
    writeFileSync(folder, '');
    const shelf = new FolderShelf(folder);
    await shelf.keep(AT, linesOf(runId(7)));
    expect(await shelf.list()).toMatchObject([{ onDisk: false }]);
    expect(shelf.problems).toEqual([
      expect.stringContaining('should be a folder'),
      expect.stringContaining('in memory only'),
    ]);
  });
});
