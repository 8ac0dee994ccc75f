// One observation (RFC 7641): a mailbox that keeps the newest message only, emptied by notifications.

import type { Access } from '../../contract/hub.ts';
import type { Consumer, Grant, Mailbox, Settler } from '../../contract/mailbox.ts';
import type { Message, Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { Wire } from '../../contract/wire.ts';
import type { MessageLayer } from './exchange.ts';
import { notificationTail } from './map.ts';

/** Confirmable notifications of one endpoint that may wait for acknowledgements at a time [RFC7252-4.7, RFC7641-4.5.1]. */
const NSTART = 1;
/** Once in so long a notification is confirmable, so that who is gone is noticed; RFC 7641 asks for 24 hours at most. */
const PROBE_MS = 3_600_000; // [RFC7641-4.5]
/** UDP carries no more in one datagram; block-wise transfer is another matter. */
const MAX_DATAGRAM_BYTES = 65_507;
const LONGEST_HEAD_BYTES = 4 + 8 + 4;

/** What an observation needs of its endpoint. */
export interface ObserverHost {
  readonly wire: Wire;
  readonly layer: MessageLayer;
  readonly access: Access;
  readonly now: number;
  /** 24 bits that grow with every notification of the endpoint [RFC7641-3.4]. */
  nextSequence(): number;
  /** The observation is over: its client is gone or does not want it. */
  ended(observer: Observer): void;
  /** An acknowledgement made room for confirmable notifications. */
  roomMade(): void;
  evicted(why: Outcome): void;
  delivered(qos: Qos): void;
  dropped(reason: string): void;
}

export class Observer implements Consumer {
  readonly key: string;
  readonly token: Uint8Array;
  readonly filter: string;
  /** The message id of the last notification: a reset of it ends the observation. */
  lastId = -1;
  private readonly box: Mailbox;
  private readonly host: ObserverHost;
  private unanswered = false;
  private confirmedAt: number;
  private live = true;
  private attached = false;

  constructor(key: string, token: Uint8Array, filter: string, box: Mailbox, host: ObserverHost) {
    this.key = key;
    this.token = token;
    this.filter = filter;
    this.box = box;
    this.host = host;
    this.confirmedAt = host.now;
  }

  ready(qos: Qos): boolean {
    if (!this.live || this.unanswered || this.host.wire.full) return false;
    return !this.confirmable(qos) || this.host.layer.unacknowledged < NSTART;
  }

  private confirmable(qos: Qos): boolean {
    return qos > 0 || this.host.now - this.confirmedAt >= PROBE_MS;
  }

  deliver(
    m: Message,
    qos: Qos,
    _grant: Grant,
    _replayed: boolean,
    id: number,
    _again: boolean,
    box: Settler,
  ): void {
    const { host } = this;
    const tail = notificationTail(m, host.now);
    if (tail.length + LONGEST_HEAD_BYTES > MAX_DATAGRAM_BYTES) {
      host.dropped('too-large');
      if (id !== 0) box.settle(id, 'too-large');
      return;
    }
    host.delivered(qos);
    if (!this.confirmable(qos)) {
      this.lastId = host.layer.notify(this.token, host.nextSequence(), tail, undefined);
      if (id !== 0) box.settle(id, 'ok');
      return;
    }
    this.unanswered = true;
    this.lastId = host.layer.notify(this.token, host.nextSequence(), tail, (acknowledged) => {
      this.unanswered = false;
      if (!this.live) {
        host.roomMade();
        return;
      }
      if (!acknowledged) {
        host.ended(this); // a reset, or silence after the last retransmission [RFC7641-4.5]
        return;
      }
      this.confirmedAt = host.now;
      if (id !== 0) box.settle(id, 'ok');
      host.roomMade();
    });
  }

  /** Runs are MQTT's. */
  take(): number {
    return 0;
  }

  pull(): void {
    this.box.pull();
  }

  evict(why: Outcome): void {
    this.host.evicted(why);
  }

  /** From now on notifications follow what is published. */
  start(): void {
    this.attached = true;
    this.box.attach(this);
  }

  /** Ends it on this side. The mailbox goes with its last consumer, so one that never had any gets one first. */
  stop(): void {
    if (!this.live) return;
    this.live = false;
    this.box.unsubscribe(this.filter);
    if (!this.attached) this.box.attach(this);
    this.box.detach(this);
  }
}
