// The ledger: what every receiver has had from every publisher, so that a message lost, doubled or out of order is an error.

import type { Publisher } from './publisher.ts';

const NOT_FOR_IT = 0xffff_ffff;

/** Shared by all clients of one run. The first failure ends the run. */
export class Ledger {
  /** Deliveries that passed every check. */
  delivered = 0;
  readonly publishers: Publisher[] = [];
  /** Publishers that have had credit back since they last sent. */
  private readonly ready: Publisher[] = [];
  private readonly expected: Uint32Array;
  private failureText: string | undefined;
  private readonly watchers: ((reason: Error) => void)[] = [];

  constructor(
    private readonly publisherCount: number,
    receiverCount: number,
    private readonly batchMask: number,
    /** Told of every arrival, if the run is timed. */
    readonly latency: ((publisher: Publisher, sequence: number) => void) | undefined,
  ) {
    this.expected = new Uint32Array(publisherCount * receiverCount).fill(NOT_FOR_IT);
  }

  /** From now on `receiver` must get everything of `publisher`, in order, once. */
  expect(receiver: number, publisher: number): void {
    this.expected[receiver * this.publisherCount + publisher] = 0;
  }

  arrived(receiver: number, publisher: number, sequence: number): boolean {
    const cell = receiver * this.publisherCount + publisher;
    const expected = this.expected[cell]!;
    if (publisher >= this.publisherCount || sequence !== expected || expected === NOT_FOR_IT) {
      this.fail(explain(receiver, publisher, sequence, expected, publisher < this.publisherCount));
      return false;
    }
    this.expected[cell] = sequence + 1;
    this.delivered++;
    if (this.latency !== undefined) this.latency(this.publishers[publisher]!, sequence);
    if (((sequence + 1) & this.batchMask) === 0) this.publishers[publisher]!.passed(sequence);
    return true;
  }

  isReady(publisher: Publisher): void {
    this.ready.push(publisher);
  }

  /** Lets publishers with new credit send: once a chunk, so that their writes are long. */
  pumpReady(): void {
    for (let i = 0; i < this.ready.length; i++) this.ready[i]!.pump();
    this.ready.length = 0;
  }

  get failure(): string | undefined {
    return this.failureText;
  }

  fail(text: string): void {
    if (this.failureText !== undefined) return;
    this.failureText = text;
    for (const publisher of this.publishers) publisher.stop();
    for (const watcher of this.watchers) watcher(new Error(text));
  }

  /** Rejects as soon as a check fails; never resolves. */
  failed(): Promise<never> {
    return new Promise((_, reject) => {
      if (this.failureText !== undefined) reject(new Error(this.failureText));
      else this.watchers.push(reject);
    });
  }
}

function explain(
  receiver: number,
  publisher: number,
  sequence: number,
  expected: number,
  known: boolean,
): string {
  const where = `receiver ${receiver}, publisher ${publisher}`;
  if (!known) return `corrupt: receiver ${receiver} got a message of no publisher (${publisher})`;
  if (expected === NOT_FOR_IT) return `misrouted: ${where}: message ${sequence} is not for it`;
  if (sequence < expected) return `duplicate or reordered: ${where}: got ${sequence} after ${expected - 1}`;
  return `lost or reordered: ${where}: got ${sequence}, expected ${expected}`;
}
