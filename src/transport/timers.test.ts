// The timer wheel, against a sorted list; and on the real clock.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { until } from '../../test/transport/line.ts';
import { NEVER } from '../contract/message.ts';
import { now } from './clock.ts';
import { Timer, Timers, TimerWheel } from './timers.ts';

const START = 1_700_000_000_123;
/** Twice the wheel's resolution: a timer that is due at once waits for the next tick to begin. */
const LATE_MS = 16;
const DAY_MS = 86_400_000;

class Bell {
  readonly timer = new Timer(this);
  rang: number[] = [];
  due(at: number): void {
    this.rang.push(at);
  }
}

type Step =
  | { kind: 'schedule'; bell: number; in: number }
  | { kind: 'cancel'; bell: number }
  | { kind: 'advance'; by: number };

const delay = fc.oneof(
  fc.integer({ min: -50, max: 100 }),
  fc.integer({ min: 0, max: 5_000 }),
  fc.integer({ min: 0, max: 900_000 }),
  fc.integer({ min: 0, max: 30 * DAY_MS }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('schedule' as const), bell: fc.nat(9), in: delay }),
  fc.record({ kind: fc.constant('cancel' as const), bell: fc.nat(9) }),
  fc.record({ kind: fc.constant('advance' as const), by: delay.map(Math.abs) }),
);

test('never early, never later than a tick, never twice, whatever is moved or cancelled', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const wheel = new TimerWheel(START);
      const bells = Array.from({ length: 10 }, () => new Bell());
      const due = new Array<number>(10).fill(NEVER);
      let at = START;
      for (const s of steps) {
        if (s.kind === 'schedule') {
          wheel.schedule(bells[s.bell]!.timer, at + s.in);
          due[s.bell] = at + s.in;
        } else if (s.kind === 'cancel') {
          wheel.cancel(bells[s.bell]!.timer);
          due[s.bell] = NEVER;
        } else {
          at += s.by;
          wheel.advance(at);
          for (let i = 0; i < 10; i++) {
            const rang = bells[i]!.rang.splice(0);
            if (rang.length > 0) {
              expect(rang).toEqual([at]);
              expect(due[i]!).toBeLessThanOrEqual(at);
              due[i] = NEVER;
            } else if (s.by >= LATE_MS) expect(due[i]!).toBeGreaterThan(at - LATE_MS);
          }
        }
        expect(wheel.size).toBe(due.filter((d) => d !== NEVER).length);
        const first = Math.min(...due);
        if (first === NEVER) expect(wheel.nextAt).toBe(NEVER);
        else expect(wheel.nextAt).toBeLessThanOrEqual(Math.max(first, at) + LATE_MS);
      }
    }),
    { seed: 2, numRuns: 500 },
  );
});

test('sleeping until nextAt again and again rings in order and on time', () => {
  fc.assert(
    fc.property(fc.array(delay.map(Math.abs), { minLength: 1, maxLength: 50 }), (delays) => {
      const wheel = new TimerWheel(START);
      const rang: number[] = [];
      for (const d of delays) {
        const timer = new Timer({
          due: (at) => {
            rang.push(START + d);
            expect(at - (START + d)).toBeLessThanOrEqual(LATE_MS);
          },
        });
        wheel.schedule(timer, START + d);
      }
      let sleeps = 0;
      while (wheel.nextAt !== NEVER) {
        wheel.advance(wheel.nextAt);
        sleeps++;
      }
      expect(rang).toHaveLength(delays.length);
      for (let i = 1; i < rang.length; i++) expect(rang[i]! - rang[i - 1]!).toBeGreaterThanOrEqual(-LATE_MS);
      // Days are slept through, ring by ring, not tick by tick.
      expect(sleeps).toBeLessThan(1_500);
    }),
    { seed: 3, numRuns: 200 },
  );
});

test('a timer that rings may schedule itself and cancel others', () => {
  const wheel = new TimerWheel(START);
  const other = new Bell();
  let count = 0;
  const timer = new Timer({
    due: (at) => {
      count++;
      wheel.schedule(timer, at);
      wheel.cancel(other.timer);
    },
  });
  wheel.schedule(timer, START + 10);
  wheel.schedule(other.timer, START + 11);
  wheel.advance(START + 1_000);
  expect(other.rang).toEqual([]);
  expect(count).toBe(1);
  wheel.advance(START + 1_000 + LATE_MS);
  expect(count).toBe(2);
});

test('on the real clock: in order, not early, and moved when asked', async () => {
  const timers = new Timers();
  const [soon, later, moved, cancelled] = [new Bell(), new Bell(), new Bell(), new Bell()];
  const start = now();
  timers.schedule(later.timer, start + 60);
  timers.schedule(soon.timer, start + 20);
  timers.schedule(moved.timer, start + 3_600_000);
  timers.schedule(moved.timer, start + 40);
  timers.schedule(cancelled.timer, start + 30);
  timers.cancel(cancelled.timer);
  await until(() => later.rang.length > 0, 'the last bell');
  expect([soon.rang.length, moved.rang.length, later.rang.length, cancelled.rang.length]).toEqual([
    1, 1, 1, 0,
  ]);
  expect(soon.rang[0]!).toBeGreaterThanOrEqual(start + 20);
  expect(moved.rang[0]!).toBeGreaterThanOrEqual(start + 40);
  expect(soon.rang[0]!).toBeLessThanOrEqual(moved.rang[0]!);
});

test('the clock counts whole ms and does not go back', () => {
  let last = now();
  for (let i = 0; i < 1_000; i++) {
    const at = now();
    expect(Number.isInteger(at)).toBe(true);
    expect(at).toBeGreaterThanOrEqual(last);
    last = at;
  }
});
