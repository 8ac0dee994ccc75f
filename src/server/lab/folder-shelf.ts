// Runs of the lab as files in the data directory, one each, as `waymeet lab report` reads them: written aside, flushed, then renamed.

import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { readRun } from '../../lab/report/read.ts';
import type { RunHead, RunLine } from '../../lab/result.ts';
import { factsOf, type KeptRun, MemoryShelf, SHELF_LIMITS, type Shelf, surplus, textOf } from './shelf.ts';

/** A larger file is none of ours: nothing is read of it. */
const MAX_FILE_BYTES = 16 * 1_048_576;
/** Sentences that are kept at most. */
const MAX_PROBLEMS = 20;
/** What is being written; one is left behind only by a crash. */
const ASIDE = 'writing.tmp';

// 2026-11-22T22-30-00.123Z-0123456789ab.ndjson
const NAME = /^(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)-(\d\d\.\d{3}Z)-([0-9a-f]{12})\.ndjson$/;

export class FolderShelf implements Shelf {
  readonly folder: string;
  readonly problems: string[] = [];
  private readonly limits;
  /** By run. Undefined: nobody has looked yet. */
  private files: Promise<Map<string, KeptRun>> | undefined;
  /** What the disk would not take. */
  private readonly spare: MemoryShelf;
  /** One write after the other. */
  private writing: Promise<unknown> = Promise.resolve();

  constructor(folder: string, limits = SHELF_LIMITS) {
    this.folder = folder;
    this.limits = limits;
    this.spare = new MemoryShelf(limits);
  }

  async list(): Promise<readonly KeptRun[]> {
    const all = [...(await this.found()).values(), ...(await this.spare.list())];
    return all.sort((a, b) => b.startedAt - a.startedAt);
  }

  async text(run: string): Promise<string | undefined> {
    const spare = await this.spare.text(run);
    const files = await this.found();
    const kept = files.get(run);
    if (spare !== undefined || kept === undefined) return spare;
    try {
      return await readFile(this.fileOf(kept), 'utf8');
    } catch (why) {
      files.delete(run);
      this.note(`run ${run} cannot be read any more, because ${reasonOf(why)}`);
      return undefined;
    }
  }

  keep(startedAt: number, lines: readonly RunLine[]): Promise<void> {
    return this.inTurn(async () => {
      const { run } = lines[0] as RunHead;
      const files = await this.found();
      const text = textOf(lines);
      const facts = factsOf(startedAt, lines, Buffer.byteLength(text), true);
      const old = files.get(run);
      try {
        await this.write(this.fileOf(facts), text);
        if (old !== undefined && old.startedAt !== startedAt) await rm(this.fileOf(old), { force: true });
        files.set(run, facts);
        await this.spare.drop(run);
        for (const one of surplus(newestFirst(files), this.limits)) await this.remove(files, one);
      } catch (why) {
        this.note(`run ${run} is kept in memory only, because ${reasonOf(why)}: make room in ${this.folder}`);
        await this.spare.keep(startedAt, lines);
      }
    });
  }

  drop(run: string): Promise<boolean> {
    return this.inTurn(async () => {
      const files = await this.found();
      const spare = await this.spare.drop(run);
      const kept = files.get(run);
      if (kept !== undefined) await this.remove(files, kept);
      return spare || kept !== undefined;
    });
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.writing.then(act);
    this.writing = turn.catch(() => undefined); // whoever asked is told; the next one has its turn
    return turn;
  }

  private async remove(files: Map<string, KeptRun>, kept: KeptRun): Promise<void> {
    await rm(this.fileOf(kept), { force: true });
    files.delete(kept.head.run);
  }

  private async write(file: string, text: string): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const aside = path.join(this.folder, ASIDE);
    try {
      const handle = await open(aside, 'w', 0o600);
      try {
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(aside, file);
    } catch (why) {
      await rm(aside, { force: true });
      throw why;
    }
  }

  /** What is there, read once. */
  private found(): Promise<Map<string, KeptRun>> {
    this.files ??= this.look();
    return this.files;
  }

  private async look(): Promise<Map<string, KeptRun>> {
    const files = new Map<string, KeptRun>();
    let names: string[] = [];
    try {
      names = await readdir(this.folder);
    } catch (why) {
      if ((why as NodeJS.ErrnoException).code !== 'ENOENT')
        this.note(`past runs cannot be read, because ${reasonOf(why)}: ${this.folder} should be a folder`);
    }
    if (names.includes(ASIDE)) await rm(path.join(this.folder, ASIDE), { force: true });
    // The newest first: of two with one id it stays.
    for (const name of names.sort().reverse()) {
      const kept = await this.lookAt(name);
      if (kept !== undefined && !files.has(kept.head.run)) files.set(kept.head.run, kept);
    }
    return files;
  }

  /** Undefined: the file is none of ours, or says nothing; then that is a problem. */
  private async lookAt(name: string): Promise<KeptRun | undefined> {
    const parts = NAME.exec(name);
    if (parts === null) return undefined;
    const [, date, hours, minutes, seconds, run] = parts;
    const file = path.join(this.folder, name);
    try {
      const { size } = await stat(file);
      if (size > MAX_FILE_BYTES) throw new Error(`it has ${size} octets, more than ${MAX_FILE_BYTES}`);
      const { head, cells, sweeps, end } = readRun(await readFile(file, 'utf8'), name);
      if (head.run !== run) throw new Error(`it holds run ${head.run}`);
      const lines = [head, ...cells, ...sweeps, ...(end === undefined ? [] : [end])];
      return factsOf(Date.parse(`${date}${hours}:${minutes}:${seconds}`), lines, size, true);
    } catch (why) {
      this.note(`${file} is left out, because ${reasonOf(why)}: delete it if nobody needs it`);
      return undefined;
    }
  }

  private fileOf({ head, startedAt }: KeptRun): string {
    const at = new Date(startedAt).toISOString().replaceAll(':', '-');
    return path.join(this.folder, `${at}-${head.run}.ndjson`);
  }

  private note(problem: string): void {
    if (this.problems.includes(problem)) return;
    this.problems.push(problem);
    if (this.problems.length > MAX_PROBLEMS) this.problems.shift();
  }
}

function newestFirst(files: ReadonlyMap<string, KeptRun>): KeptRun[] {
  return [...files.values()].sort((a, b) => b.startedAt - a.startedAt);
}

/** `ENOSPC: no space left on device`, without the call that found it out. */
function reasonOf(why: unknown): string {
  const { code, message } = why as NodeJS.ErrnoException;
  return code === undefined ? message : message.replace(/, \w+( '.*)?$/, '');
}
