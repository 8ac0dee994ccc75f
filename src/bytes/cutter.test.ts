// Frames out of a stream: however it is cut, the same frames; and no memory for one that may not be.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fuzz } from '../../test/arbitrary/mqtt.ts';
import { Cutter } from './cutter.ts';

const MAX_BYTES = 40_000;

/** Two octets of length, the head with them, and then the body. */
class Counted extends Cutter {
  readonly bodies: Buffer[] = [];

  constructor() {
    super(2);
  }

  protected lengthOf(bytes: Uint8Array, at: number): number {
    const length = ((bytes[at]! << 8) | bytes[at + 1]!) + 2;
    if (length > MAX_BYTES) throw new Error('too long');
    return length;
  }

  protected frame(bytes: Uint8Array, at: number, length: number): void {
    this.bodies.push(Buffer.from(bytes.subarray(at + 2, at + length)));
  }
}

const framed = (body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(body.length >> 8, body.length & 255), body]);
const always = (): boolean => true;

test('[law] any chunking gives the same frames, whatever is left unread', () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc.integer({ min: 16_000, max: MAX_BYTES - 2 }).map((length) => new Uint8Array(length).fill(7)),
  );
  fc.assert(
    fc.property(
      fc.array(body, { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 20_000 })),
      (bodies, cuts) => {
        const stream = Buffer.concat(bodies.map(framed));
        const cutter = new Counted();
        let from = 0;
        let to = 0;
        for (const length of [...cuts, stream.length]) {
          to = Math.min(stream.length, to + length);
          from = cutter.cut(stream, from, to, always);
        }
        expect(from).toBe(stream.length);
        expect(cutter.bodies.map((b) => b.toString('hex'))).toEqual(
          bodies.map((b) => Buffer.from(b).toString('hex')),
        );
      },
    ),
    fuzz(100),
  );
});

test('a short frame waits where it is, a long one is taken as it comes', () => {
  const cutter = new Counted();
  const [short, long] = [framed(new Uint8Array(100)), framed(new Uint8Array(20_000))];
  expect(cutter.cut(short, 0, 50, always)).toBe(0);
  expect(cutter.cut(short, 0, 102, always)).toBe(102);
  expect(cutter.cut(long, 0, 50, always)).toBe(50);
  expect(cutter.cut(long, 50, long.length, always)).toBe(long.length);
  expect(cutter.bodies.map((b) => b.length)).toEqual([100, 20_000]);
});

test('it stops when it is told to, and before a frame that may not be', () => {
  const cutter = new Counted();
  const two = Buffer.concat([framed(Buffer.of(1)), framed(Buffer.of(2))]);
  expect(cutter.cut(two, 0, two.length, () => cutter.bodies.length === 0)).toBe(3);
  expect(() => cutter.cut(Buffer.of(0xff, 0xff, 0), 0, 3, always)).toThrow('too long');
});
