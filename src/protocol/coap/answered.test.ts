// What is remembered of answered requests, and of messages that wait: against plain lists that say the same.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { type Answered, AnsweredRequests } from './answered.ts';
import { type Outstanding, OutstandingTable } from './outstanding.ts';

const LIFETIME_MS = 10_000;
const MOST = 64;

const answer: fc.Arbitrary<Answered> = fc.oneof(
  fc.constant('nothing' as const),
  fc.constantFrom(0x44, 0x45, 0x84),
  fc.constant(Uint8Array.of(1, 2, 3)),
);

test('[law] the last 64 of them, each for its lifetime', () => {
  const step = fc.record({ id: fc.nat(200), answer, waitMs: fc.constantFrom(0, 0, 0, 100, 900, 4_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const answered = new AnsweredRequests(LIFETIME_MS);
      const model: { id: number; answer: Answered; at: number }[] = [];
      let now = Date.UTC(2026, 0, 1);
      for (const { id, answer: given, waitMs } of steps) {
        now += waitMs;
        const known = model.slice(-MOST).findLast((one) => one.id === id && now - one.at < LIFETIME_MS);
        expect(answered.find(id, now)).toEqual(known?.answer);
        if (known !== undefined) continue; // a duplicate is not answered anew
        answered.add(id, given, now);
        model.push({ id, answer: given, at: now });
      }
    }),
    fuzz(300),
  );
});

test('the clock of 30 bits comes round', () => {
  const turn = 2 ** 30 * 100;
  const answered = new AnsweredRequests(LIFETIME_MS);
  answered.add(7, 0x44, turn - 1_000);
  expect([answered.find(7, turn + 1_000), answered.find(7, turn + 20_000)]).toEqual([0x44, undefined]);
});

test('[law] messages that wait are found until they are taken', () => {
  const step = fc.tuple(fc.constantFrom('add', 'take'), fc.nat(5));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new OutstandingTable();
      const model = new Map<number, Outstanding>();
      for (const [what, id] of steps) {
        expect(table.has(id)).toBe(model.has(id));
        if (what === 'take') {
          expect(table.take(id)).toBe(model.get(id));
          model.delete(id);
        } else if (!model.has(id)) {
          const one = {
            id,
            message: new Uint8Array(0),
            ended() {},
            ping: false,
            tries: 0,
            timeoutMs: 0,
            due: (id * 7) % 5,
          };
          table.add(one);
          model.set(id, one);
        }
        const dues = [...model.values()].map(({ due }) => due);
        expect([table.size, table.nextDue]).toEqual([model.size, Math.min(...dues)]);
        const overdue = table.overdue(id);
        if (overdue === undefined) expect(dues.every((due) => due > id)).toBe(true);
        else expect([model.get(overdue.id), overdue.due <= id]).toEqual([overdue, true]);
      }
    }),
    fuzz(300),
  );
});
