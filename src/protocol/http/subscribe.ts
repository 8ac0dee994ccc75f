// One stream of server-sent events: a mailbox that outlives its connection, and keeps what a client that returns may not have seen.

import type { Access } from '../../contract/hub.ts';
import type { Consumer, Grant, Mailbox, Settler } from '../../contract/mailbox.ts';
import { type Message, NEVER, type Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { EVENT_HEADERS, encodeEvent } from './encode.ts';
import { refusalOf } from './map.ts';
import type { JsonWords, Pending, Reply, SubscribeOperation } from './packet.ts';

/** How long a client may be away and go on where it was. */
const KEEP_MS = 300_000;
/** So many delivered messages are kept for a client that returns: events are not acknowledged, only resumed. */
const REMEMBERED = 1_000;

export interface StreamHost {
  readonly access: Access;
  readonly json: JsonWords;
  readonly capacity: number;
  readonly overflow: 'drop-oldest' | 'drop-newest' | 'evict';
  /** A name that cannot be guessed: who knows it may resume the mailbox. */
  mailboxName(): string;
  delivered(qos: Qos): void;
  closed(stream: EventStream): void;
}

export class EventStream implements Consumer, Pending {
  readonly waitMs = NEVER;
  private readonly host: StreamHost;
  private readonly reply: Reply;
  private readonly mailbox: Mailbox;
  private readonly seen: number;
  /** Delivered and not settled, oldest first. */
  private readonly open: number[] = [];
  private ended = false;

  /** Subscribes and begins the stream. Throws Refusal when no filter may be subscribed to. */
  constructor(operation: SubscribeOperation, host: StreamHost, reply: Reply) {
    this.host = host;
    this.reply = reply;
    this.seen = operation.after?.number ?? 0;
    const { access, capacity, overflow } = host;
    const name = operation.after?.mailbox ?? host.mailboxName();
    const keepMs = operation.qos === 0 ? 0 : KEEP_MS;
    this.mailbox = access.mailbox(name, { fresh: false, keepMs, capacity, overflow });
    const fresh = this.subscribe(operation);
    reply.begin(EVENT_HEADERS);
    // What was missed is told apart from what never was: the client may have to read the retained values again.
    reply.write(encodeEvent({ mailbox: name, resumed: this.mailbox.resumed }, undefined, 'open'));
    this.mailbox.attach(this);
    for (const filter of fresh) this.mailbox.replay(subscription(filter, operation.qos));
  }

  get name(): string {
    return this.mailbox.name;
  }

  /** Brings the mailbox's subscriptions to what was asked for; returns the filters that it did not have. */
  private subscribe({ filters, qos }: SubscribeOperation): string[] {
    for (const { filter } of [...this.mailbox.subscriptions()])
      if (!filters.includes(filter)) this.mailbox.unsubscribe(filter);
    const fresh: string[] = [];
    for (const filter of filters) {
      const { outcome, added } = this.mailbox.subscribe(subscription(filter, qos));
      if (outcome !== 'ok') {
        for (const done of filters) this.mailbox.unsubscribe(done);
        this.mailbox.keep(0);
        this.mailbox.attach(this);
        this.mailbox.detach(this);
        throw refusalOf(outcome);
      }
      if (added) fresh.push(filter);
    }
    return fresh;
  }

  ready(): boolean {
    return !this.reply.full && !this.ended;
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
    if (again && id <= this.seen) {
      box.settle(id, 'ok'); // the client's Last-Event-ID says that it has it
      return;
    }
    const data = { ...this.host.json.write(m), qos, ...(replayed && { retain: true }) };
    // Ids of `$share` groups are the group's: no client can resume by them.
    const own = box === this.mailbox;
    this.reply.write(encodeEvent(data, id === 0 || !own ? undefined : `${this.mailbox.name}/${id}`));
    this.host.delivered(qos);
    if (id === 0) return;
    if (!own) {
      box.settle(id, 'ok');
      return;
    }
    this.open.push(id);
    if (this.open.length > REMEMBERED) this.mailbox.settle(this.open.shift()!, 'ok');
  }

  take(): number {
    return 0;
  }

  drained(): void {
    this.mailbox.pull();
  }

  expire(): void {}

  evict(why: Outcome): void {
    if (this.ended) return;
    this.reply.write(encodeEvent({ code: why, reason: refusalOf(why).message }, undefined, 'error'));
    this.reply.end();
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.mailbox.detach(this);
    this.host.closed(this);
  }
}

function subscription(filter: string, qos: Qos) {
  return { filter, qos, noLocal: false, tag: 0 };
}
