// The cases that every store engine passes; `storeCases` registers them with vitest.

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../contract/store.ts';

/** A store under test. `reopen` ends it without a goodbye where the engine can, and opens what it left. */
export interface StoreUnderTest {
  readonly store: Store;
  reopen(): Promise<Store>;
}

const text = new TextEncoder();
const bytes = (s: string): Uint8Array => text.encode(s);
const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');
const all = (store: Store): [string, string][] =>
  entries(store, Uint8Array.of(0), new Uint8Array(500).fill(255));

function entries(store: Store, from: Uint8Array, to: Uint8Array): [string, string][] {
  return Array.from(store.scan(from, to), ([key, value]): [string, string] => [hex(key), hex(value)]);
}

export function storeCases(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`store engine ${name}`, () => {
    let under: StoreUnderTest;
    let store: Store;

    beforeEach(async () => {
      under = await open();
      store = under.store;
    });
    afterEach(() => store.close());

    async function reopened(): Promise<Store> {
      store = await under.reopen();
      return store;
    }

    test('a committed entry is read back, an unknown one is undefined', async () => {
      store.put(bytes('key'), bytes('value'));
      await store.commit();
      expect(hex(store.get(bytes('key'))!)).toBe(hex(bytes('value')));
      expect(store.get(bytes('ke'))).toBeUndefined();
      expect(store.get(bytes('key0'))).toBeUndefined();
    });

    test('an empty value is a value', async () => {
      store.put(bytes('key'), new Uint8Array(0));
      await store.commit();
      expect(store.get(bytes('key'))?.length).toBe(0);
      expect(all(await reopened())).toEqual([[hex(bytes('key')), '']]);
    });

    test('scan: from is included, to is not, the order is that of the octets', async () => {
      const keys = ['00', '0000', '0001', '01', '7f', '80', '80ff', 'ff', 'ff00'];
      for (const key of [...keys].reverse()) store.put(Buffer.from(key, 'hex'), bytes(key));
      await store.commit();
      const range = (from: string, to: string) =>
        entries(store, Buffer.from(from, 'hex'), Buffer.from(to, 'hex')).map(([key]) => key);
      expect(range('00', 'ffff')).toEqual(keys);
      expect(range('0000', '80')).toEqual(['0000', '0001', '01', '7f']);
      expect(range('02', '7f')).toEqual([]);
      expect(range('80', '80')).toEqual([]);
      expect(range('ff', '00')).toEqual([]);
    });

    test('a scan that is left early, and one nested in another, disturb nothing', async () => {
      for (let i = 0; i < 2_500; i++) store.put(Buffer.from(String(i).padStart(5, '0')), new Uint8Array(200));
      await store.commit();
      for (const _ of store.scan(bytes('0'), bytes('9'))) break;
      let pairs = 0;
      for (const _ of store.scan(bytes('00000'), bytes('00003'))) {
        for (const _ of store.scan(bytes('0'), bytes('9'))) pairs++;
      }
      expect(pairs).toBe(7_500);
    });

    test('a scan may be written under: each step gives committed entries, still in order', async () => {
      for (let i = 0; i < 3_000; i++) store.put(Buffer.from(String(i).padStart(5, '0')), bytes('v'));
      await store.commit();
      let last = '';
      let count = 0;
      for (const [key] of store.scan(bytes('0'), bytes('9'))) {
        const now = Buffer.from(key).toString();
        expect(now > last).toBe(true);
        last = now;
        store.remove(key);
        if (++count % 1_000 === 0) await store.commit();
      }
      await store.commit();
      expect(count).toBe(3_000);
      expect(all(store)).toEqual([]);
    });

    test('what was read stays as it was when the entry changes', async () => {
      store.put(bytes('a'), bytes('old'));
      await store.commit();
      const got = store.get(bytes('a'))!;
      const [[key, value]] = [...store.scan(bytes('a'), bytes('b'))] as [[Uint8Array, Uint8Array]];
      for (let i = 0; i < 50; i++) {
        store.put(bytes('a'), bytes(`n${i}`));
        store.put(bytes(`b${i}`), new Uint8Array(5_000).fill(i));
        await store.commit();
        for (const _ of store.scan(bytes('a'), bytes('c'))) store.get(bytes('b0'));
      }
      expect([got, key, value].map(hex)).toEqual([hex(bytes('old')), hex(bytes('a')), hex(bytes('old'))]);
    });

    test('the octets given out are the reader’s: changing them changes nothing kept', async () => {
      store.put(bytes('a'), bytes('kept'));
      await store.commit();
      store.get(bytes('a'))!.fill(0);
      for (const [, value] of store.scan(bytes('a'), bytes('b'))) value.fill(0);
      expect(hex(store.get(bytes('a'))!)).toBe(hex(bytes('kept')));
    });

    // A Buffer is a Uint8Array whose slice() does not copy.
    for (const [kind, make] of [
      ['Uint8Array', bytes],
      ['Buffer', (s: string) => Buffer.from(s)],
    ] as const) {
      test(`${kind}: the key’s octets may be reused at once, the value’s after the commit`, async () => {
        const key = make('k1');
        const value = make('v1');
        store.put(key, value);
        key[1] = 0x32;
        store.remove(key);
        await store.commit();
        value.fill(0);
        expect(all(store)).toEqual([[hex(bytes('k1')), hex(bytes('v1'))]]);
      });
    }

    test('what is given out is a plain Uint8Array, also after a Buffer was put', async () => {
      store.put(Buffer.from('a'), Buffer.from('b'));
      await store.commit();
      const [[key, value]] = [...store.scan(bytes('a'), bytes('b'))] as [[Uint8Array, Uint8Array]];
      for (const given of [store.get(bytes('a'))!, key, value]) expect(given.constructor).toBe(Uint8Array);
    });

    test('within a batch the last write of a key wins', async () => {
      store.put(bytes('twice'), bytes('1'));
      store.put(bytes('twice'), bytes('2'));
      store.put(bytes('gone'), bytes('1'));
      store.remove(bytes('gone'));
      store.remove(bytes('back'));
      store.put(bytes('back'), bytes('1'));
      store.remove(bytes('never'));
      await store.commit();
      expect(all(store)).toEqual([
        [hex(bytes('back')), hex(bytes('1'))],
        [hex(bytes('twice')), hex(bytes('2'))],
      ]);
      store.put(bytes('twice'), bytes('3'));
      store.remove(bytes('twice'));
      await store.commit();
      expect(all(await reopened())).toEqual([[hex(bytes('back')), hex(bytes('1'))]]);
    });

    test('writes without a commit are not found after a restart', async () => {
      store.put(bytes('kept'), bytes('1'));
      await store.commit();
      store.put(bytes('open'), bytes('1'));
      store.remove(bytes('kept'));
      expect(all(await reopened())).toEqual([[hex(bytes('kept')), hex(bytes('1'))]]);
    });

    test('a batch opened while another commits belongs to the next commit; commits resolve in order', async () => {
      const order: number[] = [];
      const waits: Promise<void>[] = [];
      for (let i = 0; i < 20; i++) {
        store.put(bytes('last'), bytes(String(i)));
        store.put(
          bytes(`k${String(i).padStart(2, '0')}`),
          new Uint8Array(i % 3 === 0 ? 300_000 : 10).fill(i),
        );
        waits.push(store.commit().then(() => void order.push(i)));
      }
      store.put(bytes('open'), bytes('not committed'));
      await Promise.all(waits);
      expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
      const now = await reopened();
      expect(hex(now.get(bytes('last'))!)).toBe(hex(bytes('19')));
      expect(now.get(bytes('open'))).toBeUndefined();
      expect(entries(now, bytes('k'), bytes('l')).length).toBe(20);
    });

    test('an empty commit resolves, after those before it', async () => {
      await store.commit();
      const order: string[] = [];
      store.put(bytes('a'), new Uint8Array(400_000));
      const first = store.commit().then(() => void order.push('full'));
      const second = store.commit().then(() => void order.push('empty'));
      await Promise.all([first, second]);
      expect(order).toEqual(['full', 'empty']);
    });

    test('keys of 1 to 500 octets of any value; longer and empty ones are refused at once', async () => {
      const long = new Uint8Array(500).map((_, i) => i * 7);
      const keys = [Uint8Array.of(0), Uint8Array.of(255), long, new Uint8Array(500), long.slice(0, 499)];
      keys.forEach((key, i) => {
        store.put(key, Uint8Array.of(i));
      });
      await store.commit();
      const now = await reopened();
      keys.forEach((key, i) => {
        expect(now.get(key)?.[0]).toBe(i);
      });
      expect(() => now.put(new Uint8Array(501), bytes('v'))).toThrow('500 octets');
      expect(() => now.put(new Uint8Array(0), bytes('v'))).toThrow('500 octets');
      expect(() => now.remove(new Uint8Array(0))).toThrow('500 octets');
    });

    test('values of 0 to 12 MB come back whole', async () => {
      const sizes = [0, 1, 63, 64, 65, 4_000, 65_536, 1_000_003, 12 * 1024 * 1024];
      const filled = (size: number) => new Uint8Array(size).map((_, i) => (i * 31 + size) & 255);
      for (const size of sizes) store.put(bytes(`size ${size}`), filled(size));
      await store.commit();
      const now = await reopened();
      for (const size of sizes) expect(Buffer.compare(now.get(bytes(`size ${size}`))!, filled(size))).toBe(0);
    });

    test('a value may be a view into a larger buffer', async () => {
      store.put(bytes('view'), new Uint8Array(1_000).fill(1).subarray(10, 20).fill(9));
      await store.commit();
      expect(hex(store.get(bytes('view'))!)).toBe('09'.repeat(10));
    });

    test('a closed store refuses to be used', async () => {
      await store.close();
      expect(() => store.put(bytes('a'), bytes('b'))).toThrow('closed');
      expect(() => store.get(bytes('a'))).toThrow('closed');
      expect(() => store.commit()).toThrow('closed');
    });

    test('close waits for the commits that were asked for', async () => {
      store.put(bytes('a'), new Uint8Array(500_000));
      const done = store.commit();
      await store.close();
      await done;
      expect((await reopened()).get(bytes('a'))?.length).toBe(500_000);
    });

    test('law: after any writes, commits and restarts it holds what a plain map holds', async () => {
      const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 });
      const step = fc.oneof(
        { weight: 6, arbitrary: fc.record({ put: key, value: fc.uint8Array({ maxLength: 40 }) }) },
        { weight: 3, arbitrary: fc.record({ remove: key }) },
        { weight: 2, arbitrary: fc.constant('commit' as const) },
        { weight: 1, arbitrary: fc.constant('restart' as const) },
      );
      // One store for all runs: each run starts from what the last one left, and so does the map.
      let kept = new Map<string, string>();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
          let open = new Map(kept);
          for (const s of steps) {
            if (s === 'commit') {
              await store.commit();
              kept = new Map(open);
            } else if (s === 'restart') {
              await reopened();
              open = new Map(kept);
            } else if ('put' in s) {
              store.put(s.put, s.value);
              open.set(hex(s.put), hex(s.value));
            } else {
              store.remove(s.remove);
              open.delete(hex(s.remove));
            }
            if (s === 'commit' || s === 'restart') {
              expect(all(store)).toEqual([...kept].sort(([a], [b]) => (a < b ? -1 : 1)));
            }
          }
          await store.commit();
          kept = open;
        }),
        { seed: 20, numRuns: 40 },
      );
    });
  });
}
