import { execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Store } from '../contract/store.ts';
import { storeCases } from './case.ts';
import { openLmdb } from './lmdb.ts';
import { takeLock } from './lock.ts';

const root = mkdtempSync(join(tmpdir(), 'waymeet-store-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
function fresh(): string {
  return join(root, String(made++));
}

const key = (i: number): Uint8Array => Buffer.from(`k${String(i).padStart(6, '0')}`);

for (const durability of ['full', 'relaxed'] as const) {
  storeCases(`lmdb, ${durability}`, async () => {
    const directory = fresh();
    let now = await openLmdb(directory, { durability });
    return {
      store: now,
      reopen: async () => {
        await now.close();
        now = await openLmdb(directory, { durability });
        return now;
      },
    };
  });
}

describe('growth', () => {
  test('the map grows by itself', async () => {
    const store = await openLmdb(fresh(), { durability: 'relaxed', mapBytes: 1 << 20 });
    for (let i = 0; i < 100; i++) {
      store.put(key(i), new Uint8Array(200_000).fill(i));
      await store.commit();
    }
    expect(store.bytes).toBeGreaterThan(20_000_000);
    for (let i = 0; i < 100; i++) expect(store.get(key(i))?.[199_999]).toBe(i);
    await store.close();
  });

  test('removed entries make room for new ones', async () => {
    const store = await openLmdb(fresh(), { durability: 'relaxed' });
    for (let i = 0; i < 200; i++) {
      store.put(key(i), new Uint8Array(100_000));
      if (i >= 10) store.remove(key(i - 10));
      await store.commit();
    }
    expect(store.bytes).toBeLessThan(8_000_000);
    await store.close();
  });
});

test('nobody else may read what is stored', async () => {
  const directory = fresh();
  mkdirSync(directory, { mode: 0o755 });
  await (await openLmdb(directory, { durability: 'full' })).close();
  expect(statSync(join(directory, 'data.mdb')).mode & 0o777).toBe(0o600);
});

describe('what it refuses, and what it says', () => {
  async function refusal(directory: string): Promise<string> {
    return openLmdb(directory, { durability: 'full' }).then(
      () => 'opened',
      (why: Error) => why.message,
    );
  }

  test('a file that is not LMDB', async () => {
    const directory = fresh();
    mkdirSync(directory);
    for (const content of [Buffer.from('hello'), Buffer.alloc(100_000, 0x5a)]) {
      writeFileSync(join(directory, 'data.mdb'), content);
      expect(await refusal(directory)).toMatch(/data\.mdb is damaged or not a store: move it away/);
    }
  });

  test('a file that was cut short', async () => {
    const directory = fresh();
    await (await openLmdb(directory, { durability: 'full' })).close();
    truncateSync(join(directory, 'data.mdb'), 4_096);
    expect(await refusal(directory)).toMatch(/data\.mdb is damaged/);
  });

  test('another LMDB version', async () => {
    const directory = fresh();
    await (await openLmdb(directory, { durability: 'full' })).close();
    const file = readFileSync(join(directory, 'data.mdb'));
    file.writeUInt32LE(1, 28);
    writeFileSync(join(directory, 'data.mdb'), file);
    expect(await refusal(directory)).toMatch(/LMDB data version 1, expected 2/);
  });

  test('a newer format', async () => {
    const directory = fresh();
    await (await openLmdb(directory, { durability: 'full' })).close();
    const file = readFileSync(join(directory, 'data.mdb'));
    const mark = Buffer.alloc(501, 0xff);
    for (let at = file.indexOf(mark); at >= 0; at = file.indexOf(mark, at + 501)) file[at + 501] = 2;
    writeFileSync(join(directory, 'data.mdb'), file);
    expect(await refusal(directory)).toMatch(/format 2, this Waymeet knows up to 1: run the newer Waymeet/);
  });

  test('a path that is a file', async () => {
    const directory = fresh();
    writeFileSync(directory, '');
    expect(await refusal(directory)).toMatch(/cannot use .* as the data directory; choose another/);
  });

  test('a directory that this process holds; free again after close and after a refusal', async () => {
    const directory = fresh();
    const store = await openLmdb(directory, { durability: 'full' });
    expect(await refusal(directory)).toMatch(
      new RegExp(
        `another Waymeet \\(process ${process.pid}\\) uses this data directory, says .*waymeet.lock`,
      ),
    );
    await store.close();
    const again = await openLmdb(directory, { durability: 'full' });
    await again.close();
    expect(readdirSync(directory).sort()).toEqual(['data.mdb', 'data.mdb-lock']);
  });
});

describe('the lock', () => {
  const path = (directory: string) => join(directory, 'waymeet.lock');

  test('a dead process, a reused process id and a torn file do not hold it', async () => {
    const directory = fresh();
    mkdirSync(directory);
    const lock = await takeLock(directory);
    const mine = JSON.parse(readFileSync(path(directory), 'utf8'));
    await lock.release();
    for (const left of [
      JSON.stringify({ ...mine, pid: 2 ** 22 + 1 }),
      JSON.stringify({ ...mine, started: 'earlier' }),
      '{"host":',
    ]) {
      writeFileSync(path(directory), left);
      await (await takeLock(directory)).release();
    }
    expect(readdirSync(directory)).toEqual([]);
  });

  test('another host holds it while its file is touched, and no longer', async () => {
    const directory = fresh();
    mkdirSync(directory);
    writeFileSync(path(directory), JSON.stringify({ host: 'elsewhere', pid: 1, started: '1' }));
    utimesSync(path(directory), 1, 1);
    let beats = 1;
    const beat = setInterval(() => utimesSync(path(directory), ++beats, beats), 2);
    await expect(takeLock(directory, { foreignMs: 200 })).rejects.toThrow('on host elsewhere');
    clearInterval(beat);
    await (await takeLock(directory, { foreignMs: 20 })).release();
  });

  test('of many that find the same stale lock, one gets it', async () => {
    for (let round = 0; round < 20; round++) {
      const directory = fresh();
      mkdirSync(directory);
      writeFileSync(path(directory), '{}');
      const tries = await Promise.allSettled(
        Array.from({ length: 10 }, () => takeLock(directory, { dyingMs: 0 })),
      );
      const won = tries.filter((t) => t.status === 'fulfilled');
      expect(won.length).toBe(1);
      await won[0]!.value.release();
      expect(readdirSync(directory)).toEqual([]);
    }
  });
});

/** Bundles crash.fixture.ts once: Node 20 runs no TypeScript. */
async function fixture(): Promise<string> {
  const file = join(root, 'crash.mjs');
  await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      ssr: join(import.meta.dirname, 'crash.fixture.ts'),
      outDir: root,
      emptyOutDir: false,
      target: 'node20',
      rolldownOptions: {
        external: [/^node:/, /^lmdb$/],
        output: {
          entryFileNames: 'crash.mjs',
          paths: { lmdb: pathToFileURL(createRequire(import.meta.url).resolve('lmdb')).href },
        },
      },
    },
  });
  return file;
}

/**
 * Runs the fixture in a shell, after `first`; resolves, when it is gone, to what it told. `stopAfter`: SIGKILL once it told so many.
 */
function run(
  file: string,
  directory: string,
  durability: string,
  stopAfter: number,
  first = ':',
): Promise<string[]> {
  const shell = ['-c', `${first}; exec "$0" "$@"`, process.execPath, file, directory, durability];
  const child = spawn('sh', shell, { stdio: ['ignore', 'pipe', 'ignore'] });
  const told: string[] = [];
  createInterface(child.stdout).on('line', (line) => {
    told.push(line);
    if (told.length === stopAfter) child.kill('SIGKILL');
  });
  return new Promise((resolve) => child.on('close', () => resolve(told)));
}

/** Batch n of the fixture is complete or absent, and present if it was told; returns the first absent number. */
function checkBatches(store: Store, told: number): number {
  let n = 0;
  for (; store.get(key(n)) !== undefined; n++) {
    expect(store.get(key(n))!.every((octet) => octet === n % 251)).toBe(true);
    expect(store.get(Buffer.from(`twin ${n}`))?.[0]).toBe(n % 251);
  }
  expect(n).toBeGreaterThanOrEqual(told);
  expect([...store.scan(Buffer.from('k'), Buffer.from('l'))].length).toBe(n);
  expect([...store.scan(Buffer.from('t'), Buffer.from('u'))].length).toBe(n);
  return n;
}

describe('faults', () => {
  const small = join(root, 'small');
  let file: string;
  let mounted = false;
  beforeAll(async () => {
    file = await fixture();
    mounted = mountSmall(small);
  });
  afterAll(() => {
    if (mounted) execFileSync('umount', [small]);
  });

  for (const durability of ['full', 'relaxed'] as const) {
    test(`${durability}: kill -9 in the middle of commits loses nothing committed and leaves no half batch`, async () => {
      const directory = fresh();
      for (const stopAfter of [1, 7, 30]) {
        const told = await run(file, directory, durability, stopAfter);
        expect(told.length).toBeGreaterThanOrEqual(stopAfter);
        const store = await openLmdb(directory, { durability });
        checkBatches(store, Number(told.at(-1)) + 1);
        await store.close();
      }
    });
  }

  for (const durability of ['full', 'relaxed'] as const) {
    /** The fixture ran into `fault`; what it had committed, and no more, is there, and can be built upon elsewhere. */
    async function endsWith(told: string[], fault: RegExp, directory: string): Promise<void> {
      expect(told.pop()).toMatch(fault);
      expect(told.length).toBeGreaterThan(5);
      const copy = fresh();
      cpSync(directory, copy, { recursive: true });
      rmSync(directory, { recursive: true });
      const store = await openLmdb(copy, { durability });
      const n = checkBatches(store, told.length);
      expect(n).toBe(told.length);
      store.put(key(n), Uint8Array.of(n % 251));
      store.put(Buffer.from(`twin ${n}`), Uint8Array.of(n % 251));
      await store.commit();
      checkBatches(store, n + 1);
      await store.close();
    }

    test(`${durability}: a full disk rejects the commit, says so, and damages nothing`, async ({ skip }) => {
      skip(!mounted, 'this process may not mount a small file system');
      const directory = join(small, durability);
      const told = await run(file, directory, durability, 0);
      const fault = /^StoreError the store could not keep 2 entries \(\d+ octets\) in .*: the disk is full/;
      await endsWith(told, fault, directory);
    });

    test(`${durability}: another error while writing, too`, async () => {
      const directory = fresh();
      const told = await run(file, directory, durability, 0, 'ulimit -f 8192');
      const fault =
        /^StoreError the store could not keep 2 entries .* in .*; check that disk .*: Input\/output error$/;
      await endsWith(told, fault, directory);
    });
  }
});

/** A file system of 4 MB, where this process may mount one. */
function mountSmall(at: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  mkdirSync(at);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', at], { stdio: 'ignore' });
    return true;
  } catch {
    return false; // a container without CAP_SYS_ADMIN: the tests show as skipped
  }
}
