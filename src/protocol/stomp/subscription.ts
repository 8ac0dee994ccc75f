// One subscription: the messages that it delivered, and how the client answers them.

import type { ProtocolCounters } from '../../contract/hub.ts';
import type { Consumer, Grant, Mailbox, Settler } from '../../contract/mailbox.ts';
import type { Message, Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { Consumption } from '../../contract/queue.ts';
import type { Wire } from '../../contract/wire.ts';
import { messageHead, writeMessage } from './encode.ts';
import type { Version } from './packet.ts';

export type AckMode = 'auto' | 'client' | 'client-individual';

export interface SubscriptionTerms {
  /** Unique on this connection: message ids begin with it. */
  readonly number: number;
  /** As the client named it; in 1.0 it need not. */
  readonly id: string | undefined;
  readonly mode: AckMode;
  /** Messages that may be unanswered. */
  readonly window: number;
  readonly version: Version;
  /** What a selector wants, of messages from topics; a queue selects by itself. */
  readonly accepts: ((m: Message) => boolean) | undefined;
}

/** Where its messages come from. */
export type Source =
  | { readonly kind: 'topic'; readonly box: Mailbox; readonly filter: string; readonly durable: boolean }
  | { readonly kind: 'queue'; readonly take: Consumption };

/** The hub's number of a delivery that the client has to answer; 0: nobody waits for it. */
interface Unanswered {
  readonly id: number;
  readonly box: Settler;
}

export class StompSubscription implements Consumer {
  readonly terms: SubscriptionTerms;
  source: Source | undefined = undefined;
  private readonly wire: Wire;
  private readonly counters: ProtocolCounters;
  private readonly gone: (why: Outcome) => void;
  private readonly head: Uint8Array;
  private readonly unanswered = new Map<number, Unanswered>();
  private next = 1;
  private started = false;

  constructor(
    terms: SubscriptionTerms,
    wire: Wire,
    counters: ProtocolCounters,
    gone: (why: Outcome) => void,
  ) {
    this.terms = terms;
    this.wire = wire;
    this.counters = counters;
    this.gone = gone;
    this.head = messageHead(terms.id, terms.version);
  }

  /** SUBSCRIBE is answered: messages may follow. */
  start(): void {
    this.started = true;
    const { source } = this;
    if (source?.kind === 'topic') source.box.attach(this);
    else this.pull();
  }

  pull(): void {
    if (!this.started || this.source === undefined) return;
    if (this.source.kind === 'topic') this.source.box.pull();
    else this.source.take.pull();
  }

  // --- the consumer ---

  ready(): boolean {
    return this.started && !this.wire.full && this.unanswered.size < this.terms.window;
  }

  deliver(
    m: Message,
    qos: Qos,
    _grant: Grant,
    replayed: boolean,
    id: number,
    again: boolean,
    box: Settler,
  ): void {
    const { accepts, mode, number, version } = this.terms;
    if (accepts !== undefined && !accepts(m)) {
      if (id !== 0) box.settle(id, 'ok');
      return;
    }
    const n = this.next++;
    const acknowledged = mode !== 'auto';
    if (acknowledged) this.unanswered.set(n, { id, box });
    this.counters.delivered[qos] = this.counters.delivered[qos]! + 1;
    writeMessage(this.wire, m, version, this.head, `${number}-${n}`, acknowledged, again, replayed);
    if (!acknowledged && id !== 0) box.settle(id, 'ok'); // it is taken as soon as it is sent [STOMP12-subscribe-ack-header]
  }

  /** Runs are MQTT's. */
  take(): number {
    return 0;
  }

  evict(why: Outcome): void {
    this.gone(why);
  }

  // --- answers ---

  /** Whether message `n` was ever delivered, answered since or not. */
  knows(n: number): boolean {
    return n > 0 && n < this.next;
  }

  /** ACK. In mode `client` it counts for everything up to it. [STOMP12-subscribe-ack-header] */
  acknowledge(n: number): void {
    for (const one of this.answered(n)) this.settler(one).settle(one.id, 'ok');
    this.pull();
  }

  /** NACK: to somebody else, or to the same client once more; or else a dead letter. What a topic delivered is discarded. */
  refuse(n: number, requeue: boolean): void {
    for (const one of this.answered(n)) {
      if (this.source?.kind === 'queue' && requeue) this.source.take.putBack(one.id, true, false);
      else this.settler(one).settle(one.id, 'payload-invalid');
    }
    this.pull();
  }

  private settler(one: Unanswered): Settler {
    return this.source?.kind === 'queue' ? this.source.take : one.box;
  }

  /** What an answer to `n` is for, oldest first, but for what nobody waits for. */
  private answered(n: number): Unanswered[] {
    const found: Unanswered[] = [];
    if (this.terms.mode === 'client') {
      for (const [other, one] of this.unanswered) {
        if (other > n) break;
        this.unanswered.delete(other);
        if (one.id !== 0) found.push(one);
      }
      return found;
    }
    const one = this.unanswered.get(n);
    if (one === undefined) return found;
    this.unanswered.delete(n);
    return one.id === 0 ? found : [one];
  }

  /** UNSUBSCRIBE, or the end of the connection. `forget`: a durable one is given up for good. */
  close(forget: boolean): void {
    const { source } = this;
    this.started = false;
    this.source = undefined;
    if (source === undefined) return;
    if (source.kind === 'queue') {
      source.take.close();
      return;
    }
    const { box } = source;
    if (forget) box.keep(0);
    if (forget || !source.durable) box.unsubscribe(source.filter);
    box.detach(this);
  }
}
