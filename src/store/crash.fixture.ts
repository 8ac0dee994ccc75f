// A process for the fault tests to kill: commits batches of two entries to argv[2] until it cannot, telling each number once it is kept.

import { writeSync } from 'node:fs';
import { openLmdb } from './lmdb.ts';

const [directory, durability] = process.argv.slice(2) as [string, 'full' | 'relaxed'];
const store = await openLmdb(directory, { durability });
const key = (n: number) => Buffer.from(`k${String(n).padStart(6, '0')}`);

let first = 0;
while (store.get(key(first)) !== undefined) first++;
try {
  // Two commits under way at a time, as the hub has them.
  let before = Promise.resolve();
  for (let n = first; n < first + 2_000; n++) {
    store.put(key(n), new Uint8Array(50_000 + (n % 7) * 40_000).fill(n % 251));
    store.put(Buffer.from(`twin ${n}`), Uint8Array.of(n % 251));
    const done = store.commit().then(() => void writeSync(1, `${n}\n`));
    done.catch(() => undefined); // awaited in the next round
    await before;
    before = done;
  }
} catch (why) {
  const { name, message } = why as Error;
  writeSync(1, `${name} ${message}\n`);
  process.exit(1);
}
