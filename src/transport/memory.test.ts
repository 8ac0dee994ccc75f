// Memory wires and the virtual clock: order, chunking, loss, windows, goodbyes and the traps set for towers.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../contract/outcome.ts';
import type { Peer } from '../contract/wire.ts';
import { type Carrier, type LinkOptions, MemoryNetwork, type MemoryWire } from './memory.ts';
import { VirtualClock } from './virtual-clock.ts';

/** A peer that keeps what it reads and what happens to it. */
class Recorder implements Peer {
  readonly pieces: string[] = [];
  readonly events: string[] = [];
  receive(bytes: Uint8Array, start: number, end: number): number {
    this.pieces.push(Buffer.from(bytes.subarray(start, end)).toString('latin1'));
    return end;
  }
  drained(now: number): void {
    this.events.push(`drained ${now}`);
  }
  wake(now: number): void {
    this.events.push(`wake ${now}`);
  }
  broken(why: Error, now: number): void {
    this.events.push(`broken ${now} ${why.message}`);
  }
  lost(now: number): void {
    this.events.push(`lost ${now}`);
  }
}

interface Pair {
  readonly clock: VirtualClock;
  readonly a: MemoryWire;
  readonly b: MemoryWire;
  readonly left: Recorder;
  readonly right: Recorder;
}

function pair(carrier: Carrier, link: Partial<LinkOptions> = {}, seed = 1): Pair {
  const clock = new VirtualClock(1_000);
  const [a, b] = new MemoryNetwork(clock, seed).join(
    carrier,
    { remote: 'b', listener: 'test' },
    { remote: 'a', listener: 'test' },
    link,
  );
  const left = new Recorder();
  const right = new Recorder();
  a.peer = left;
  b.peer = right;
  return { clock, a, b, left, right };
}

const text = (s: string): Uint8Array => Buffer.from(s, 'latin1');

describe('the clock', () => {
  test('runs events in order of time, then of asking, and what follows from one before the next', async () => {
    const clock = new VirtualClock(0);
    const seen: string[] = [];
    clock.at(20, () => seen.push(`c ${clock.now}`));
    clock.at(10, () => {
      seen.push(`a ${clock.now}`);
      Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => seen.push(`promise ${clock.now}`));
    });
    clock.at(10, () => seen.push(`b ${clock.now}`));
    await clock.advance(15);
    expect(seen).toEqual(['a 10', 'promise 10', 'b 10']);
    expect(clock.now).toBe(15);
    await clock.advance(5);
    expect(seen.at(-1)).toBe('c 20');
  });

  test('run waits for events and leaves timers that come later', async () => {
    const clock = new VirtualClock(0);
    const seen: string[] = [];
    clock.timer(5, () => seen.push('early'));
    clock.at(10, () => seen.push('event'));
    clock.timer(50, () => seen.push('late'));
    await clock.run();
    expect(seen).toEqual(['early', 'event']);
    expect(clock.now).toBe(10);
    await clock.advance(40);
    expect(seen.at(-1)).toBe('late');
  });

  test('a cancelled event does not run and is not waited for', async () => {
    const clock = new VirtualClock(0);
    clock.at(10, () => expect.unreachable())();
    await clock.run();
    expect(clock.now).toBe(0);
    await clock.advance(20);
  });

  test('until: an awaited promise resolves as time passes', async () => {
    const clock = new VirtualClock(0);
    const promise = new Promise((resolve) => clock.at(30, () => resolve('kept')));
    expect(await clock.until(promise)).toBe('kept');
    expect(clock.now).toBe(30);
  });

  test('what an event throws comes out of advance', async () => {
    const clock = new VirtualClock(0);
    clock.at(1, () => {
      throw new Error('boom');
    });
    await expect(clock.advance(1)).rejects.toThrow('boom');
  });

  test('[law] any set of events runs in order of time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(100), { maxLength: 60 }), async (times) => {
        const clock = new VirtualClock(0);
        const seen: number[] = [];
        for (const time of times) clock.at(time, () => seen.push(clock.now));
        await clock.run();
        expect(seen).toEqual(times.toSorted((x, y) => x - y));
      }),
      { seed: 7, numRuns: 20 },
    );
  });
});

describe('a stream', () => {
  test('what one turn wrote leaves together and arrives after the delay', async () => {
    const { clock, a, right } = pair('stream', { delayMs: 30 });
    a.write(text('he'));
    const at = a.reserve(2);
    a.bytes.set(text('ll'), at);
    a.write(text('o'));
    await clock.advance(29);
    expect(right.pieces).toEqual([]);
    await clock.advance(1);
    expect(right.pieces).toEqual(['hello']);
  });

  test('[law] any chunk size, jitter and bandwidth: the same octets in the same order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme-ascii' }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(50),
        fc.nat(),
        async (writes, chunk, jitterMs, seed) => {
          const { clock, a, right } = pair('stream', { chunk, jitterMs, bandwidth: 3 }, seed);
          for (const piece of writes) {
            a.write(text(piece));
            await clock.advance(1);
          }
          await clock.run();
          expect(right.pieces.join('')).toBe(writes.join(''));
          expect(Math.max(0, ...right.pieces.map((p) => p.length))).toBeLessThanOrEqual(chunk);
        },
      ),
      { seed: 11, numRuns: 25 },
    );
  });

  test('the same seed cuts the same way', async () => {
    const cuts = async (seed: number): Promise<string[]> => {
      const { clock, a, right } = pair('stream', { chunk: 5 }, seed);
      a.write(text('the quick brown fox jumps over the lazy dog'));
      await clock.run();
      return right.pieces;
    };
    expect(await cuts(3)).toEqual(await cuts(3));
    expect(await cuts(3)).not.toEqual(await cuts(4));
  });

  test('a reader that stalls fills the window, then the wire; it drains when read on', async () => {
    const { clock, a, b, left, right } = pair('stream', { windowBytes: 100, fullBytes: 50 });
    b.pause();
    a.write(text('x'.repeat(120)));
    await clock.run();
    expect([a.full, a.unsent, right.pieces]).toEqual([false, 20, []]);
    a.write(text('y'.repeat(30)));
    await clock.run();
    expect([a.full, a.unsent]).toEqual([true, 50]);
    b.resume();
    await clock.run();
    expect(right.pieces.join('')).toBe('x'.repeat(120) + 'y'.repeat(30));
    expect(left.events).toEqual(['drained 1000']);
    expect([a.full, a.unsent]).toEqual([false, 0]);
  });

  test('what is left unconsumed comes again in front of the next octets', async () => {
    const { clock, a, b } = pair('stream', { chunk: 1 });
    const lines: string[] = [];
    const reader = new Recorder();
    reader.receive = (bytes, start, end) => {
      const newline = bytes.subarray(start, end).indexOf(10);
      if (newline < 0) return start;
      lines.push(Buffer.from(bytes.subarray(start, start + newline)).toString());
      return start + newline + 1;
    };
    b.peer = reader;
    a.write(text('one\ntwo\n'));
    await clock.run();
    expect(lines).toEqual(['one', 'two']);
  });

  test('the lent memory is overwritten after the call', async () => {
    const { clock, a, b } = pair('stream');
    let kept: Uint8Array = new Uint8Array();
    const reader = new Recorder();
    reader.receive = (bytes, start, end) => {
      kept = bytes.subarray(start, end);
      return end;
    };
    b.peer = reader;
    a.write(text('abc'));
    await clock.run();
    expect([...kept]).toEqual([0xdd, 0xdd, 0xdd]);
  });

  test('end: the other side reads everything, then both are lost', async () => {
    const { clock, a, left, right } = pair('stream', { delayMs: 10 });
    a.write(text('bye'));
    a.end();
    a.write(text('never'));
    await clock.run();
    expect(right.pieces).toEqual(['bye']);
    expect([left.events, right.events]).toEqual([['lost 1000'], ['lost 1010']]);
  });

  test('destroy drops what was not sent', async () => {
    const { clock, a, right } = pair('stream');
    a.write(text('unsaid'));
    a.destroy();
    await clock.run();
    expect([right.pieces, right.events]).toEqual([[], ['lost 1000']]);
  });

  test('cut: what is under way is dropped, and both sides lose the connection', async () => {
    const { clock, a, b, left, right } = pair('stream', { delayMs: 10 });
    a.write(text('lost'));
    await clock.advance(5);
    b.cut();
    await clock.run();
    expect([right.pieces, left.events, right.events]).toEqual([[], ['lost 1005'], ['lost 1005']]);
  });

  test('a broken protocol is answered, then the wire ends; another error comes out of the clock', async () => {
    const { clock, a, b, left, right } = pair('stream');
    right.receive = () => {
      throw new ProtocolError('TEST-1', 'nonsense');
    };
    right.broken = () => b.write(text('go away'));
    a.write(text('?'));
    await clock.run();
    expect(left.pieces).toEqual(['go away']);
    expect([left.events, right.events]).toEqual([['lost 1000'], ['lost 1000']]);

    const other = pair('stream');
    other.right.receive = () => {
      throw new TypeError('our bug');
    };
    other.a.write(text('?'));
    await expect(other.clock.run()).rejects.toThrow('our bug');
  });

  test('wake: the last time asked for counts; NEVER cancels', async () => {
    const { clock, a, left } = pair('stream');
    a.wake(1_010);
    a.wake(1_020);
    await clock.advance(30);
    expect(left.events).toEqual(['wake 1020']);
    a.wake(1_040);
    a.wake(Number.POSITIVE_INFINITY);
    await clock.advance(100);
    expect(left.events).toEqual(['wake 1020']);
  });
});

describe('datagrams and messages', () => {
  test.each(['datagram', 'message'] as const)('%s: one write is one arrival', async (carrier) => {
    const { clock, a, right } = pair(carrier);
    a.write(text('one'));
    a.write(text('two'));
    const at = a.reserve(5);
    a.bytes.set(text('three'), at);
    await clock.run();
    expect(right.pieces).toEqual(['one', 'two', 'three']);
  });

  test('datagrams are lost at about the rate asked for, and jitter lets them overtake', async () => {
    const { clock, a, right } = pair('datagram', { loss: 0.25, jitterMs: 100 }, 5);
    for (let i = 0; i < 1_000; i++) a.write(text(String(i).padStart(4, '0')));
    await clock.run();
    expect(right.pieces.length).toBeGreaterThan(700);
    expect(right.pieces.length).toBeLessThan(800);
    expect(right.pieces).not.toEqual(right.pieces.toSorted());
  });

  test('a message must be consumed whole', async () => {
    const { clock, a, right } = pair('message');
    right.receive = (_bytes, start) => start;
    a.write(text('half'));
    await expect(clock.run()).rejects.toThrow('left unconsumed');
  });

  test('a datagram to a closed end opens a new peer when it serves', async () => {
    const { clock, a, b, right } = pair('datagram');
    const next = new Recorder();
    b.reopen = () => {
      b.peer = next;
    };
    a.write(text('1'));
    await clock.run();
    b.end();
    await clock.run();
    a.write(text('2'));
    await clock.run();
    expect([right.pieces, right.events, next.pieces]).toEqual([['1'], ['lost 1000'], ['2']]);
  });
});
