// The end of a turn: the hub's work first, then one flush of every dirty wire.

import { expect, test } from 'vitest';
import { until } from '../../test/transport/line.ts';
import { type Flushable, Loop } from './loop.ts';

function noted(notes: string[], name: string, then?: () => void): Flushable {
  return {
    flush() {
      notes.push(name);
      then?.();
    },
  };
}

test('the hub turns before the flush, so that what it acknowledges leaves with it', async () => {
  const notes: string[] = [];
  const loop = new Loop(() => {});
  loop.atTurn = () => {
    notes.push('turn');
    loop.add(noted(notes, 'acknowledged'));
  };
  loop.add(noted(notes, 'first'));
  loop.requestTurn();
  loop.requestTurn();
  loop.add(noted(notes, 'second'));
  expect(notes).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(notes).toEqual(['turn', 'first', 'second', 'acknowledged']);
});

test('what a flush makes dirty waits for the next turn, in which others have read', async () => {
  const notes: string[] = [];
  const loop = new Loop(() => {});
  let rounds = 0;
  const busy = noted(notes, 'busy', () => {
    if (++rounds < 3) loop.add(busy);
  });
  loop.add(busy);
  setImmediate(() => notes.push('another'));
  await until(() => rounds === 3, 'three rounds');
  expect(notes).toEqual(['busy', 'another', 'busy', 'busy']);
});

test('a turn that throws does not keep the wires from being flushed', async () => {
  // Asked directly, because what a turn throws ends the process.
  const notes: string[] = [];
  const loop = new Loop(() => {});
  loop.atTurn = () => {
    throw new Error('a defect of the hub');
  };
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  let caught: Error | undefined;
  process.once('uncaughtException', (error) => {
    caught = error;
  });
  loop.add(noted(notes, 'flushed'));
  loop.requestTurn();
  await until(() => caught !== undefined, 'the error');
  for (const listener of listeners) process.on('uncaughtException', listener);
  expect(notes).toEqual(['flushed']);
  expect(caught!.message).toBe('a defect of the hub');
});
