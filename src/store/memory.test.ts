import { expect, test } from 'vitest';
import { storeCases } from './case.ts';
import { MemoryStore } from './memory.ts';
import { OrderedKeys } from './ordered.ts';

const a = Uint8Array.of(97);
const b = Uint8Array.of(98);

storeCases('memory', async () => {
  let now = new MemoryStore();
  return { store: now, reopen: async () => (now = now.reopen()) };
});

storeCases('memory, delayed', async () => {
  let now = new MemoryStore({ delay: () => new Promise(setImmediate) });
  return { store: now, reopen: async () => (now = now.reopen()) };
});

test('a delayed commit shows, and survives a crash, only once it resolved', async () => {
  let finish = () => {};
  const store = new MemoryStore({ delay: () => new Promise((resolve) => (finish = resolve)) });
  store.put(a, b);
  const done = store.commit();
  await Promise.resolve();
  expect(store.get(a)).toBeUndefined();
  expect(store.reopen().get(a)).toBeUndefined();
  finish();
  await done;
  expect(store.get(a)).toEqual(b);
  expect(store.reopen().get(a)).toEqual(b);
});

test('an injected failure rejects that commit and all after it, and keeps nothing of them', async () => {
  const store = new MemoryStore();
  store.put(a, a);
  await store.commit();
  store.failNext(new Error('disk full'));
  store.put(a, b);
  await expect(store.commit()).rejects.toThrow('disk full');
  store.put(b, b);
  await expect(store.commit()).rejects.toThrow('disk full');
  const after = store.reopen();
  expect([after.get(a), after.get(b)]).toEqual([a, undefined]);
  after.put(b, b);
  await after.commit();
  expect(after.get(b)).toEqual(b);
});

test('ordered keys: 20,000 inserts and deletes in scattered order keep the order', () => {
  const keys = new OrderedKeys();
  const scattered = Array.from({ length: 20_000 }, (_, i) => String((i * 7_919) % 20_000).padStart(5, '0'));
  for (const key of scattered) keys.add(key);
  for (const key of scattered) if (Number(key) % 3 !== 0) keys.delete(key);
  const left: string[] = [];
  for (let key = keys.next('', false); key !== undefined; key = keys.next(key, true)) left.push(key);
  expect(left).toEqual(scattered.filter((key) => Number(key) % 3 === 0).sort());
  expect(keys.size).toBe(left.length);
  expect(() => keys.delete('00001')).toThrow('unknown key');
});
