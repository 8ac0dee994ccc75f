// A link that sends to the client: deliveries as its credit allows, and what the client answers to them.

import type { Consumer, Grant, Settler } from '../../contract/mailbox.ts';
import type { Message, Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { ACCEPTED_STATE } from './answers.ts';
import type { AmqpLink, Sent, SessionHost } from './link.ts';
import { CONDITION, deliveryHead, headOf, payloadOf, SENTENCE, tailOf } from './map.ts';
import {
  ACCEPTED,
  type Attach,
  CODE_OF_NAME,
  type DeliveryState,
  type Flow,
  MODIFIED,
  RCV_FIRST,
  RCV_SECOND,
  RECEIVED,
  REJECTED,
  RELEASED,
  SENDER,
  SND_MIXED,
  SND_SETTLED,
  SND_UNSETTLED,
  TRANSACTIONAL,
} from './packet.ts';
import type { Source } from './source.ts';
import type { Holder } from './termini.ts';
import { Transferring } from './transfer.ts';
import { type AmqpMap, type AmqpValue, codeOf, NULL } from './types.ts';
import { hexOf } from './values.ts';

/** Unsettled deliveries of one link, whatever credit it has. */
const MAX_UNSETTLED = 32_768;

/** A delivery that the client has not answered, and what it needs to come again. */
class Delivery implements Sent {
  readonly deliveryId: number;
  readonly link: OutgoingLink;
  readonly message: Message;
  readonly qos: Qos;
  readonly id: number;
  readonly settler: Settler;
  readonly retained: boolean;
  /** Of this link's own counting, where the source does not count. */
  readonly failures: number;
  decided = false;

  constructor(
    deliveryId: number,
    link: OutgoingLink,
    message: Message,
    qos: Qos,
    id: number,
    settler: Settler,
    retained: boolean,
    failures: number,
  ) {
    this.deliveryId = deliveryId;
    this.link = link;
    this.message = message;
    this.qos = qos;
    this.id = id;
    this.settler = settler;
    this.retained = retained;
    this.failures = failures;
  }
}

export class OutgoingLink implements AmqpLink, Consumer, Holder {
  readonly handle: number;
  readonly name: string;
  readonly role = SENDER;
  readonly key: string | undefined;
  state: 'attached' | 'closing' = 'attached';
  private readonly session: SessionHost;
  private readonly source: Source;
  private readonly accepts: ((m: Message) => boolean) | undefined;
  private readonly sndSettleMode: number;
  private readonly rcvSettleMode: number;
  private readonly defaultOutcome: DeliveryState;
  /** What the client still has of an earlier link, by delivery tag in hex. */
  private readonly resumed: Map<string, DeliveryState | undefined>;
  /** Given back to this link alone: they come again before what is new. */
  private readonly redo: Delivery[] = [];
  private unsettled = 0;
  /** Octets of what is unsettled: a client that never answers must not have it all kept for it. */
  private unsettledBytes = 0;
  private deliveryCount = 0;
  private credit = 0;
  private draining = false;
  private started = false;
  private nextTag = 1;

  /** `key`: where its terminus is found again; undefined: it is not. */
  constructor(
    session: SessionHost,
    attach: Attach,
    source: Source,
    accepts: ((m: Message) => boolean) | undefined,
    key: string | undefined,
  ) {
    this.session = session;
    this.handle = attach.handle;
    this.name = attach.name;
    this.source = source;
    this.accepts = accepts;
    this.key = key;
    this.sndSettleMode = attach.sndSettleMode ?? SND_MIXED;
    this.rcvSettleMode = attach.rcvSettleMode ?? RCV_FIRST;
    this.defaultOutcome = attach.source?.defaultOutcome ?? { kind: RELEASED };
    this.resumed = statesOf(attach.unsettled);
  }

  /** The attach is answered: deliveries may follow. Throws LinkFault. */
  start(): void {
    this.started = true;
    this.source.start(this);
  }

  /** What of an earlier link of its terminus is not settled, as this side has it. */
  get unsettledMap(): AmqpMap | undefined {
    const { unsettled } = this.source;
    if (unsettled.length === 0) return undefined;
    return unsettled.map((id): [AmqpValue, AmqpValue] => [{ type: 'binary', value: lastingTag(id) }, NULL]);
  }

  // --- credit ---

  flow(f: Flow): void {
    if (f.linkCredit !== undefined) {
      // The client may not have heard of the last deliveries when it gave the credit. [AMQP1-2.6.7]
      const credit = ((f.deliveryCount ?? 0) + f.linkCredit - this.deliveryCount) | 0;
      this.credit = f.linkCredit > 0x7fff_ffff ? f.linkCredit : Math.max(0, credit);
    }
    this.draining = f.drain === true;
    this.pull();
    if (f.echo === true) this.sayFlow();
  }

  pull(): void {
    if (!this.started || this.state !== 'attached') return;
    while (this.redo.length > 0 && this.ready()) this.again(this.redo.shift()!);
    this.source.pull();
    if (!this.draining || this.credit === 0 || !this.session.writable) return;
    // Nothing more is there: the rest of the credit is used up. [AMQP1-2.6.7]
    this.deliveryCount = (this.deliveryCount + this.credit) >>> 0;
    this.credit = 0;
    this.sayFlow();
  }

  private sayFlow(): void {
    const { handle, deliveryCount, credit, draining } = this;
    this.session.flow({ handle, deliveryCount, linkCredit: credit, available: 0, drain: draining });
  }

  // --- the consumer ---

  ready(): boolean {
    if (this.credit === 0 || this.state !== 'attached' || !this.session.writable) return false;
    return this.unsettled < MAX_UNSETTLED && this.unsettledBytes < this.session.host.hub.limits.queueBytes;
  }

  deliver(
    m: Message,
    qos: Qos,
    _grant: Grant,
    replayed: boolean,
    id: number,
    again: boolean,
    settler: Settler,
  ): void {
    if (this.accepts !== undefined && !this.accepts(m)) {
      if (id !== 0) settler.settle(id, 'ok');
      return;
    }
    const delivery = new Delivery(this.session.nextDeliveryId(), this, m, qos, id, settler, replayed, 0);
    if (again && id !== 0 && this.resumed.size > 0 && this.resume(delivery)) return;
    this.send(delivery, again, false);
  }

  /** Runs are MQTT's. */
  take(): number {
    return 0;
  }

  /**
   * The client has it in some state already. One with an outcome is settled without being sent again: that is exactly once. Any other is
   * sent again from its beginning. [AMQP1-2.6.13]
   */
  private resume(delivery: Delivery): boolean {
    const tag = lastingTag(delivery.id);
    const name = hexOf(tag);
    if (!this.resumed.has(name)) return false;
    const state = this.resumed.get(name);
    this.resumed.delete(name);
    if (state === undefined || !isOutcome(state)) {
      this.send(delivery, true, true);
      return true;
    }
    this.decide(delivery, state);
    this.count();
    const { deliveryId } = delivery;
    const terms = {
      handle: this.handle,
      deliveryId,
      tag,
      settled: true,
      rcvSettleMode: undefined,
      state,
      resume: true,
    };
    this.session.send(new Transferring(terms, []));
    return true;
  }

  private count(): void {
    this.credit--;
    this.deliveryCount = (this.deliveryCount + 1) >>> 0;
  }

  private send(delivery: Delivery, again: boolean, resume: boolean): void {
    const { message: m, qos, id, retained, deliveryId } = delivery;
    const { session, sndSettleMode, rcvSettleMode } = this;
    const { hub } = session.host;
    const settled = sndSettleMode === SND_SETTLED || (qos === 0 && sndSettleMode !== SND_UNSETTLED);
    this.count();
    const failures = delivery.failures + this.source.failures(id);
    const counters = hub.counters.of('amqp1');
    counters.delivered[qos] = counters.delivered[qos]! + 1;
    const lasting = this.key !== undefined && id !== 0;
    const terms = {
      handle: this.handle,
      deliveryId,
      tag: lasting ? lastingTag(id) : passingTag(this.nextTag++),
      settled,
      // Where the link says exactly once, a message that was published otherwise says so. [AMQP1-2.7.5]
      rcvSettleMode: !settled && rcvSettleMode === RCV_SECOND && qos < 2 ? RCV_FIRST : undefined,
      state: resume ? FROM_THE_START : undefined,
      resume,
    };
    if (settled) {
      if (id !== 0) this.source.accept(id, delivery.settler);
    } else {
      this.unsettled++;
      this.unsettledBytes += m.payload.length;
      session.expect(delivery);
    }
    const head = deliveryHead(m, hub.now(), failures, again, retained);
    session.send(new Transferring(terms, [head, headOf(m), payloadOf(m), tailOf(m)]));
  }

  /** Once more what this link was given back. */
  private again(d: Delivery): void {
    const { message, qos, id, settler, retained, failures } = d;
    const deliveryId = this.session.nextDeliveryId();
    this.send(new Delivery(deliveryId, this, message, qos, id, settler, retained, failures), true, false);
  }

  // --- answers ---

  /** What the client says of a delivery. */
  outcome(sent: Sent, state: DeliveryState | undefined, settled: boolean): void {
    const delivery = sent as Delivery;
    if (!settled && (state === undefined || !isOutcome(state))) return;
    if (settled) this.session.forget(delivery.deliveryId);
    if (delivery.decided) {
      this.pull();
      return;
    }
    const reached = state !== undefined && isOutcome(state) ? state : this.defaultOutcome;
    delivery.decided = true;
    this.unsettled--;
    this.unsettledBytes -= delivery.message.payload.length;
    this.decide(delivery, reached);
    if (!settled) {
      // The client waits for this side to settle. [AMQP1-2.6.12]
      this.session.forget(delivery.deliveryId);
      const kept = this.rcvSettleMode === RCV_SECOND ? this.session.host.access.due : 0;
      this.session.settlements.add(
        delivery.deliveryId,
        kept,
        reached.kind === ACCEPTED ? ACCEPTED_STATE : reached,
        true,
      );
    }
    this.pull();
  }

  private decide(d: Delivery, state: DeliveryState): void {
    switch (state.kind) {
      case REJECTED:
        this.source.reject(d.id, d.settler);
        return;
      case RELEASED:
        this.putBack(d, false, false);
        return;
      case MODIFIED:
        this.putBack(d, state.deliveryFailed === true, state.undeliverableHere === true);
        return;
      default:
        this.source.accept(d.id, d.settler);
    }
  }

  private putBack(d: Delivery, failed: boolean, elsewhere: boolean): void {
    if (this.source.putBack(d.id, failed, elsewhere)) return;
    // A topic's subscription is this link's alone: elsewhere is nowhere.
    if (elsewhere) this.source.reject(d.id, d.settler);
    else {
      const { deliveryId, message, qos, id, settler, retained, failures } = d;
      const more = failures + (failed ? 1 : 0);
      this.redo.push(new Delivery(deliveryId, this, message, qos, id, settler, retained, more));
    }
  }

  // --- ends ---

  /** Nothing is expected here: the client sends on a link that it takes from. */
  transfer(): void {
    this.session.fail(this, 'amqp:not-allowed', 'a transfer on a link that the hub sends on');
  }

  evict(why: Outcome): void {
    this.session.fail(this, CONDITION[why], SENTENCE[why]);
  }

  steal(): void {
    this.session.fail(this, 'amqp:link:stolen', SENTENCE['taken-over']);
  }

  release(closed: boolean): void {
    if (!this.started) return;
    this.started = false;
    this.redo.length = 0;
    this.source.close(closed);
    if (this.key !== undefined) this.session.host.termini.letGo(this.key, this);
  }
}

const FROM_THE_START: DeliveryState = { kind: RECEIVED, sectionNumber: 0, sectionOffset: 0n };

function isOutcome({ kind }: DeliveryState): boolean {
  return kind >= ACCEPTED && kind <= MODIFIED;
}

export function isTransactional(state: DeliveryState | undefined): boolean {
  return state?.kind === TRANSACTIONAL;
}

/** The same on every link of the terminus: the number that the message has in its mailbox. */
function lastingTag(id: number): Uint8Array {
  const tag = new Uint8Array(8);
  new DataView(tag.buffer).setBigUint64(0, BigInt(id));
  return tag;
}

function passingTag(n: number): Uint8Array {
  return Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
}

/** The states of an unsettled map by tag. */
export function statesOf(map: AmqpMap | undefined): Map<string, DeliveryState | undefined> {
  const states = new Map<string, DeliveryState | undefined>();
  for (const [tag, state] of map ?? []) {
    if (tag.type !== 'binary') continue;
    const kind = state.type === 'described' ? codeOf(state.descriptor, CODE_OF_NAME) : undefined;
    states.set(hexOf(tag.value), kind === undefined ? undefined : { kind });
  }
  return states;
}
