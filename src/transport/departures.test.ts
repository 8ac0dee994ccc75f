// What leaves a datagram socket: everything, in order, in the turn in which it was written, and the memory is given back.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fuzz } from '../../test/arbitrary/mqtt.ts';
import type { Slab } from '../contract/wire.ts';
import { Departures, type Traveller } from './departures.ts';
import { Loop } from './loop.ts';

/** Notes what departs, and whom it tells. */
class Recorder implements Traveller {
  readonly gone: string[] = [];
  readonly slabs = new Set<Slab>();
  departing: (text: string) => void = () => {};

  depart(bytes: Uint8Array, slab: Slab): void {
    const text = Buffer.from(bytes).toString('latin1');
    this.gone.push(text);
    this.slabs.add(slab);
    this.departing(text);
  }
}

function write(departures: Departures, loop: Loop, traveller: Traveller, text: string): void {
  const at = departures.reserve(traveller, text.length);
  loop.slabs.current.bytes.set(Buffer.from(text, 'latin1'), at);
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const loopOf = () => new Loop(() => {});

test('[law] datagrams of all lengths leave in order, and no slab is held afterwards', async () => {
  const lengths = fc.array(fc.oneof(fc.nat(200), fc.constantFrom(0, 9_000, 40_000, 65_507)), {
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(lengths, async (wanted) => {
      const loop = loopOf();
      const [departures, recorder] = [new Departures(loop), new Recorder()];
      const texts = wanted.map((length, i) => String.fromCharCode(33 + i).repeat(length));
      for (const text of texts) write(departures, loop, recorder, text);
      await turn();
      expect(recorder.gone).toEqual(texts);
      expect([...recorder.slabs].every(({ refs }) => refs === 0)).toBe(true);
    }),
    fuzz(40),
  );
});

test('what is written while others leave, leaves in the next turn', async () => {
  const loop = loopOf();
  const [departures, recorder] = [new Departures(loop), new Recorder()];
  recorder.departing = (text) => {
    if (text === 'one') write(departures, loop, recorder, 'three');
  };
  write(departures, loop, recorder, 'one');
  write(departures, loop, recorder, 'two');
  await turn();
  expect(recorder.gone).toEqual(['one', 'two']);
  await turn();
  expect(recorder.gone).toEqual(['one', 'two', 'three']);
});

test('octets that many share are sent to each', async () => {
  const loop = loopOf();
  const [departures, recorder] = [new Departures(loop), new Recorder()];
  const at = loop.slabs.reserve(5);
  const slab = loop.slabs.current;
  slab.bytes.set(Buffer.from('hello'), at);
  for (let i = 0; i < 3; i++) departures.add(recorder, slab, at, at + 5);
  await turn();
  expect(recorder.gone).toEqual(['hello', 'hello', 'hello']);
  expect(slab.refs).toBe(0);
});
