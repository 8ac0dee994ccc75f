// Transactions: sends and answers that wait for their COMMIT.

import type { Message } from '../../contract/message.ts';
import { Refusal } from './refusal.ts';

export type Step =
  | { readonly kind: 'send'; readonly message: Message }
  | { readonly kind: 'ack' | 'nack'; readonly id: string; readonly requeue: boolean };

/** Of one connection. Counts, and octets of all steps together. */
const MAX_OPEN = 100;
const MAX_STEPS = 10_000;

export class Transactions {
  private readonly open = new Map<string, Step[]>();
  private readonly maxBytes: number;
  private steps = 0;
  private bytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  begin(name: string): void {
    if (this.open.has(name)) throw new Refusal('bad-transaction', `Transaction ${name} has begun before.`);
    if (this.open.size >= MAX_OPEN)
      throw new Refusal('quota-exceeded', `More than ${MAX_OPEN} transactions are open.`);
    this.open.set(name, []);
  }

  add(name: string, step: Step): void {
    const steps = this.stepsOf(name);
    this.bytes += weightOf(step);
    if (++this.steps > MAX_STEPS || this.bytes > this.maxBytes)
      throw new Refusal('quota-exceeded', 'The open transactions have grown too large.');
    steps.push(step);
  }

  /** Ends it, and gives its steps in order. */
  take(name: string): readonly Step[] {
    const steps = this.stepsOf(name);
    this.open.delete(name);
    this.steps -= steps.length;
    for (const step of steps) this.bytes -= weightOf(step);
    return steps;
  }

  private stepsOf(name: string): Step[] {
    const steps = this.open.get(name);
    if (steps === undefined) throw new Refusal('bad-transaction', `Transaction ${name} has not begun.`);
    return steps;
  }
}

function weightOf(step: Step): number {
  return step.kind === 'send' ? step.message.payload.length + 256 : 64;
}
