// What a client asks its gateway: one question at a time, repeated until its answer comes or nobody is there.

import { NEVER } from '../../contract/message.ts';
import { again, encodeSn } from './encode.ts';
import { PINGREQ, PUBLISH, type SnPacket, SUBSCRIBE } from './packet.ts';

/** A message that wants an answer. */
export interface Question {
  readonly packet: SnPacket;
  /** Whether this is its answer. */
  fits(p: SnPacket): boolean;
  answered(p: SnPacket): void;
}

/** What is to be done in its turn: by asking, or at once. */
export type Task = () => Question | undefined;

export interface Patience {
  /** T_RETRY [MQTTSN12-7.2]. */
  readonly retryMs: number;
  /** N_RETRY. */
  readonly retries: number;
}

/**
 * A client has one message at a time on its way that wants an answer [MQTTSN12-6.5, 6.6]. What is to be asked next waits: first what a
 * task asks as its next step, then the other tasks in order.
 */
export class Asking {
  private readonly send: (datagram: Uint8Array) => void;
  private readonly patience: Patience;
  private readonly silent: () => void;
  private readonly tasks: Task[] = [];
  private current: Question | undefined;
  private bytes = new Uint8Array(0);
  private tries = 0;
  private dueAt = NEVER;
  private running = false;
  /** Nothing more is asked. */
  private over = false;

  /** `silent`: the gateway did not answer however often it was asked. */
  constructor(send: (datagram: Uint8Array) => void, patience: Patience, silent: () => void) {
    this.send = send;
    this.patience = patience;
    this.silent = silent;
  }

  /** Tasks that wait, and the question that does. */
  get waiting(): number {
    return this.tasks.length + (this.current === undefined ? 0 : 1);
  }

  get idle(): boolean {
    return this.waiting === 0;
  }

  add(task: Task, now: number): void {
    this.tasks.push(task);
    this.run(now);
  }

  /** Asks next, before other tasks: from within `answered`. */
  follow(q: Question): void {
    this.tasks.unshift(() => q);
  }

  private run(now: number): void {
    if (this.running) return;
    this.running = true;
    while (this.current === undefined && this.tasks.length > 0 && !this.over) {
      const question = this.tasks.shift()!();
      if (question === undefined) continue;
      this.current = question;
      this.bytes = new Uint8Array(encodeSn(question.packet));
      this.tries = 0;
      this.dueAt = now + this.patience.retryMs;
      this.send(this.bytes);
    }
    this.running = false;
  }

  /** True: the packet answered the question. */
  hear(p: SnPacket, now: number): boolean {
    const { current } = this;
    if (current === undefined || !current.fits(p)) return false;
    this.current = undefined;
    this.dueAt = NEVER;
    current.answered(p);
    this.run(now);
    return true;
  }

  /** A message came while PINGRESP is waited for: the gateway is there, and has more to say first. */
  delivered(now: number): void {
    if (this.current?.packet.type === PINGREQ) this.progressed(now);
  }

  /** The gateway is busy with this question: it asked back. */
  progressed(now: number): void {
    if (this.current === undefined) return;
    this.tries = 0;
    this.dueAt = now + this.patience.retryMs;
  }

  /** Does what is due and returns when to come again. */
  tick(now: number): number {
    const { current } = this;
    if (current === undefined || now < this.dueAt) return this.dueAt;
    if (this.tries++ >= this.patience.retries) {
      this.end();
      this.silent();
      return NEVER;
    }
    const { type } = current.packet;
    this.send(type === PUBLISH || type === SUBSCRIBE ? again(this.bytes) : this.bytes);
    this.dueAt = now + this.patience.retryMs;
    return this.dueAt;
  }

  /** Nothing more is asked; what waited is dropped. */
  end(): void {
    this.over = true;
    this.current = undefined;
    this.dueAt = NEVER;
    this.tasks.length = 0;
  }
}
