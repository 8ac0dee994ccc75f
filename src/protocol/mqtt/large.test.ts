// Large packets are gathered whole, in memory that follows what came.

import { expect, test } from 'vitest';
import { ProtocolError } from '../../contract/outcome.ts';
import { LargePacket } from './large.ts';

const MEGABYTE = 1_048_576;

test.each([[16_385], [65_540], [MEGABYTE + 7]])('%i octets in pieces, and what follows is left', (length) => {
  const octets = Uint8Array.from({ length: length + 5 }, (_, i) => i % 251);
  for (const piece of [1_000, 30_000, length + 5]) {
    const packet = new LargePacket(length, { gathering: 0 }, length);
    let at = 0;
    while (!packet.complete) at = packet.fill(octets, at, Math.min(at + piece, octets.length));
    expect(at).toBe(length);
    expect(Buffer.compare(packet.bytes, octets.subarray(0, length))).toBe(0);
  }
});

test('what is only announced takes no memory', () => {
  const packet = new LargePacket(256 * MEGABYTE, { gathering: 0 }, MEGABYTE);
  packet.fill(new Uint8Array(100), 0, 100);
  expect(packet.bytes.buffer.byteLength).toBeLessThanOrEqual(16_384);
  packet.fill(new Uint8Array(65_536), 0, 65_536);
  expect(packet.bytes.buffer.byteLength).toBeLessThan(300_000);
});

test('all connections together may take so much, and what is over is free again', () => {
  const budget = { gathering: 0 };
  const first = new LargePacket(60_000, budget, 100_000);
  first.fill(new Uint8Array(30_000), 0, 30_000);
  const second = new LargePacket(60_000, budget, 100_000);
  expect(() => second.fill(new Uint8Array(30_000), 0, 30_000)).toThrow(ProtocolError);
  first.close();
  second.fill(new Uint8Array(30_000), 0, 30_000);
  second.close();
  expect(budget.gathering).toBe(0);
});
