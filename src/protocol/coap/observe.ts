// One observation (RFC 7641): a mailbox, of the newest message only unless it has wildcards, emptied by notifications.

import type { Consumer, Grant, Mailbox, Settler, Subscription } from '../../contract/mailbox.ts';
import type { Message, Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { Wire } from '../../contract/wire.ts';
import { decodeRest } from './decode.ts';
import { type Layer, observeBytes, writeObserve } from './layer.ts';
import { contentFormatOf } from './map.ts';
import type { Plain, Protection } from './oscore.ts';
import { CODE } from './packet.ts';
import { type Notification, notificationOf, type Rendering, type Shape } from './rendering.ts';

/** Confirmable notifications of one endpoint that may wait for acknowledgements at a time [RFC7252-4.7, RFC7641-4.5.1]. */
const NSTART = 1;
/** A client that does not fetch the rest of a notification for so long does not want it: MAX_TRANSMIT_WAIT [RFC7252-4.8.2]. */
const FETCH_MS = 93_000;
/** Blocks of a notification to an address that is not verified: 32 octets. */
const CAUTIOUS_SZX = 1;

/** After so many notifications that nobody acknowledges, one that somebody must [RFC7641-4.5]. */
const CONFIRM_EVERY = 100;

/** What is observed, and how it is told. */
export interface Observation {
  /** The token, as text. */
  readonly key: string;
  readonly token: Uint8Array;
  readonly filter: string;
  readonly qos: Qos;
  readonly shape: Shape;
  /** What a request for the later blocks of a notification has in common with the one that registered. */
  readonly operation: string;
  readonly szx: number;
  /** The Content-Format that the registration accepts; undefined: any. */
  readonly accept: number | undefined;
  /** Once in so long a notification is confirmable, so that who is gone is noticed; RFC 7641 asks for 24 hours at most [RFC7641-4.5]. */
  readonly probeMs: number;
  /** The registration came sealed: so do its notifications. */
  protection: Protection | undefined;
}

/** What an observation needs of its endpoint. */
export interface ObserverHost {
  readonly wire: Wire;
  readonly layer: Layer;
  readonly now: number;
  /** 24 bits that grow with every notification of the endpoint [RFC7641-3.4]. */
  nextSequence(): number;
  /** Keeps the later blocks of a notification until they are fetched. */
  keep(operation: string, rest: Rendering): void;
  /** Calls `act` at that time, unless it is cancelled. */
  later(at: number, act: () => void): () => void;
  /** Ends it from this side, and says so. */
  dismiss(observer: Observer, code: number): void;
  /** The observation is over: its client is gone or does not want it. */
  ended(observer: Observer): void;
  /** An acknowledgement made room for confirmable notifications. */
  roomMade(): void;
  evicted(why: Outcome): void;
  delivered(qos: Qos): void;
}

export class Observer implements Consumer {
  readonly what: Observation;
  /** The message id of the last notification: a reset of it ends the observation. */
  lastId = -1;
  /** Called once, when the observation ends. */
  onStop: (() => void) | undefined;
  private readonly box: Mailbox;
  private readonly host: ObserverHost;
  private unanswered = false;
  /** What settles the message that is unanswered: its number there, 0 for none. */
  private unsettled = 0;
  private settler: Settler | undefined;
  /** Where every message counts, the next one waits until the blocks of this one are fetched; how to stop waiting. */
  private fetching: (() => void) | undefined;
  private confirmedAt: number;
  /** Notifications since the last one that was acknowledged. */
  private unconfirmed = 0;
  private live = true;
  /** A newer value may take the place of the one that was not acknowledged in time. */
  private replacing = false;
  /** It ends: a message came that its client does not accept. */
  private ending = false;
  private attached = false;

  constructor(what: Observation, box: Mailbox, host: ObserverHost) {
    this.what = what;
    this.box = box;
    this.host = host;
    this.confirmedAt = host.now;
  }

  ready(qos: Qos): boolean {
    if (!this.live || this.ending || this.unanswered || this.host.wire.full || this.fetching !== undefined)
      return false;
    return !this.confirmable(qos) || this.replacing || this.host.layer.unacknowledged < NSTART;
  }

  /**
   * The last notification is to be sent again: where a newer value waits, that goes instead, in the same place among the retransmissions
   * [RFC7641-4.5.2]. False: nothing newer waits, or each message counts.
   */
  supersede(): boolean {
    if (this.what.shape.every || !this.unanswered) return false;
    const { lastId } = this;
    this.replacing = true;
    this.unanswered = false;
    this.box.pull();
    this.replacing = false;
    if (this.lastId !== lastId) return true;
    this.unanswered = true;
    return false;
  }

  private confirmable(qos: Qos): boolean {
    const { layer, now } = this.host;
    if (layer.reliable) return false;
    // A forged registration must not direct a stream of notifications at somebody else. [RFC7641-7]
    if (qos > 0 || !layer.verified) return true;
    return this.unconfirmed >= CONFIRM_EVERY - 1 || now - this.confirmedAt >= this.what.probeMs;
  }

  deliver(
    m: Message,
    qos: Qos,
    _grant: Grant,
    replayed: boolean,
    id: number,
    _again: boolean,
    box: Settler,
  ): void {
    const { host } = this;
    if (!this.accepts(m)) {
      if (id !== 0) box.settle(id, 'ok');
      return;
    }
    const n = this.notification(m, replayed);
    if (n.rest !== undefined) this.hold(n.rest);
    host.delivered(qos);
    // What takes the place of a confirmable one is confirmable: it has not been told whether anybody is there.
    if (!this.replacing && !this.confirmable(qos)) {
      this.unconfirmed++;
      this.lastId = this.send(n, undefined);
      if (id !== 0) box.settle(id, 'ok');
      return;
    }
    if (this.replacing && this.unsettled !== 0) this.settler?.settle(this.unsettled, 'ok');
    const before = this.lastId;
    this.unanswered = true;
    this.unsettled = id;
    this.settler = box;
    this.lastId = this.send(n, this.answered);
    if (this.replacing) host.layer.inherit(before, this.lastId);
  }

  /** A filter's messages of other formats are passed over; one value in another format ends the observation [RFC7641-4.2]. */
  private accepts(m: Message): boolean {
    const { accept, shape } = this.what;
    if (accept === undefined || shape.envelope !== undefined || contentFormatOf(m.meta) === accept)
      return true;
    if (shape.located || this.ending) return false;
    this.ending = true;
    const { host } = this;
    host.later(host.now, () => host.dismiss(this, CODE.notAcceptable)); // not from within a delivery
    return false;
  }

  /** The confirmable notification was acknowledged, or reset, or nobody answered. One for all of them: they come one after the other. */
  private readonly answered = (acknowledged: boolean): void => {
    const { host, unsettled, settler } = this;
    this.unanswered = false;
    this.settler = undefined;
    if (!this.live) return;
    if (!acknowledged) {
      host.ended(this); // a reset, or silence after the last retransmission [RFC7641-4.5]
      return;
    }
    this.confirmedAt = host.now;
    this.unconfirmed = 0;
    if (unsettled !== 0) settler?.settle(unsettled, 'ok');
    host.roomMade();
  };

  private hold(rest: Rendering): void {
    const { host, what } = this;
    host.keep(what.operation, rest);
    if (what.shape.every) this.fetching = host.later(host.now + FETCH_MS, () => this.fetched());
  }

  /** All blocks of the last notification went out, or are not wanted. */
  fetched(): void {
    if (this.fetching === undefined) return;
    this.fetching();
    this.fetching = undefined;
    if (this.live) this.host.roomMade();
  }

  private notification(m: Message, retained: boolean): Notification {
    const { layer, now } = this.host;
    const { shape, szx } = this.what;
    if (!layer.verified) return notificationOf(m, shape, now, CAUTIOUS_SZX, 16 << CAUTIOUS_SZX, retained);
    const most = szx < 6 ? 16 << szx : layer.maxPayloadBytes;
    return notificationOf(m, shape, now, Math.min(szx, layer.maxSzx), most, retained);
  }

  private send(n: Notification, ended: ((acknowledged: boolean) => void) | undefined): number {
    const { host, what } = this;
    const sequence = host.nextSequence();
    if (what.protection === undefined) return host.layer.notify(what.token, sequence, n.eTag, n.tail, ended);
    const { code, options, payload } = sealedNotification(what.protection, sequence, n);
    return host.layer.push(code, what.token, options, payload, ended);
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

  /** From now on notifications follow what is published; with `replay`, what is retained comes first. */
  start(replay: Subscription | undefined): void {
    this.attached = true;
    this.box.attach(this);
    if (replay !== undefined) this.box.replay(replay);
  }

  /** Ends it on this side. The mailbox goes with its last consumer, so one that never had any gets one first. */
  stop(): void {
    if (!this.live) return;
    this.live = false;
    // A notification after the end would look like a new beginning.
    if (this.unanswered) this.host.layer.forgo(this.lastId);
    this.fetching?.();
    this.box.unsubscribe(this.what.filter);
    if (!this.attached) this.box.attach(this);
    this.box.detach(this);
    this.onStop?.();
  }
}

function sealedNotification(protection: Protection, sequence: number, { eTag, tail }: Notification): Plain {
  const clear = new Uint8Array(observeBytes(eTag, sequence) + tail.length);
  clear.set(tail, writeObserve(clear, 0, eTag, sequence));
  const rest = decodeRest(clear, 0, clear.length);
  if (typeof rest === 'string') throw new Error(`our own notification: ${rest}`);
  return protection.seal(CODE.content, rest.options, rest.payload);
}
