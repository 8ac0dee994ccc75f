// Packets that arrive in many pieces, and the memory that all of them may announce.
import { expect, test } from 'vitest';
import { ProtocolError } from '../../contract/outcome.ts';
import { LargePacket } from './large.ts';

test('is filled piece by piece, and takes no more than its own', () => {
  const packet = new LargePacket(5, { gathering: 0 }, 100);
  expect(packet.fill(Uint8Array.of(9, 1, 2, 3), 1, 4)).toBe(4);
  expect(packet.complete).toBe(false);
  expect(packet.fill(Uint8Array.of(4, 5, 6), 0, 3)).toBe(2);
  expect(packet.complete).toBe(true);
  expect([...packet.bytes]).toEqual([1, 2, 3, 4, 5]);
});

test('all connections together may announce so much, and what is over is free again', () => {
  const budget = { gathering: 0 };
  const first = new LargePacket(60, budget, 100);
  expect(() => new LargePacket(60, budget, 100)).toThrow(ProtocolError);
  first.close();
  new LargePacket(60, budget, 100);
  expect(budget.gathering).toBe(60);
});
