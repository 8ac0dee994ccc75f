// A timed store passes what its engine passes, and counts commits.

import { expect, test } from 'vitest';
import { MemoryStore } from '../store/memory.ts';
import { TimedStore } from './timed-store.ts';

test('commits that are through are counted, one that fails is not', async () => {
  const store = new TimedStore(new MemoryStore());
  store.put(Uint8Array.of(1), Uint8Array.of(2));
  await store.commit();
  expect(store.get(Uint8Array.of(1))).toEqual(Uint8Array.of(2));
  expect(store.commits.count).toBe(1);
  expect(store.commits.sum).toBeGreaterThan(0);
  const failing = new TimedStore(
    Object.assign(new MemoryStore(), { commit: () => Promise.reject(new Error('full')) }),
  );
  await expect(failing.commit()).rejects.toThrow('full');
  expect(failing.commits.count).toBe(0);
});
