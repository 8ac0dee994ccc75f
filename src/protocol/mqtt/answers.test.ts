// The queue of answers: in order, each not before what it promises is kept.

import { expect, test } from 'vitest';
import { toHex } from '../../../test/network.ts';
import { MemoryNetwork } from '../../transport/memory.ts';
import { VirtualClock } from '../../transport/virtual-clock.ts';
import { Answers } from './answers.ts';
import { type Level, PUBACK, PUBCOMP, PUBREC } from './packet.ts';

/** Answers over a memory wire, and what of them arrived. */
function answersAt(level: Level): { answers: Answers; arrived: () => Promise<string> } {
  const clock = new VirtualClock(0);
  const network = new MemoryNetwork(clock);
  const [wire, other] = network.join(
    'stream',
    { remote: 'c', listener: 'l' },
    { remote: 's', listener: 'l' },
  );
  let hex = '';
  other.peer = {
    receive: (bytes, start, end) => {
      hex += `${toHex(bytes.subarray(start, end))} `;
      return end;
    },
    drained: () => {},
    wake: () => {},
    broken: () => {},
    lost: () => {},
  };
  const arrived = async (): Promise<string> => {
    await clock.advance(0);
    const all = hex.trim();
    hex = '';
    return all;
  };
  return { answers: new Answers(wire, level, false), arrived };
}

test('what waits for nothing leaves at once', async () => {
  const { answers, arrived } = answersAt(4);
  answers.acknowledge(PUBACK, 1, 0, 0);
  answers.acknowledge(PUBREC, 258, 0x10, 0);
  expect(await arrived()).toBe('40 02 00 01 50 02 01 02');
});

test('[MQTT5-4.6.0-2] what waits for nothing waits behind what does', async () => {
  const { answers, arrived } = answersAt(5);
  const done: string[] = [];
  answers.acknowledge(PUBACK, 1, 0, 7);
  answers.acknowledge(PUBACK, 2, 0x10, 0);
  answers.frame(Uint8Array.of(0x90, 3, 0, 9, 0), 8, () => done.push('replay'));
  answers.acknowledge(PUBCOMP, 3, 0x92, 0);
  expect([answers.size, answers.closing]).toEqual([4, 3]);
  answers.kept(6);
  expect(await arrived()).toBe('');
  answers.kept(7);
  expect([await arrived(), done]).toEqual(['40 02 00 01 40 03 00 02 10', []]);
  answers.kept(8);
  expect([await arrived(), done]).toEqual(['90 03 00 09 00 70 03 00 03 92', ['replay']]);
  expect([answers.size, answers.closing]).toEqual([0, 0]);
  answers.acknowledge(PUBACK, 4, 0, 8); // kept already
  expect(await arrived()).toBe('40 02 00 04');
});

test('the queue grows and goes round', async () => {
  const { answers, arrived } = answersAt(4);
  let expected = '';
  for (let id = 1; id <= 100; id++) {
    answers.acknowledge(PUBACK, id, 0, id);
    expected += `40 02 00 ${id.toString(16).padStart(2, '0')} `;
    if (id % 3 === 0) answers.kept(id / 3);
  }
  answers.kept(100);
  expect(await arrived()).toBe(expected.trim());
});
