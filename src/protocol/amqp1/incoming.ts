// A link that takes from the client: its deliveries are put together, published, and answered once they are kept.

import { Message, type Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { WorkQueue } from '../../contract/queue.ts';
import { isTopicName } from '../../contract/topic.ts';
import { type Address, parseAddress, topicOf } from './address.ts';
import { ACCEPTED_STATE } from './answers.ts';
import { LinkFault } from './fault.ts';
import type { AmqpLink, SessionHost } from './link.ts';
import { CONDITION, messageOf, SENTENCE } from './map.ts';
import { isTransactional, statesOf } from './outgoing.ts';
import {
  ACCEPTED,
  type Attach,
  type DeliveryState,
  type Flow,
  RCV_FIRST,
  RCV_SECOND,
  RECEIVER,
  REJECTED,
  RELEASED,
  TRANSACTIONAL,
  type Transfer,
} from './packet.ts';
import { Sections } from './sections.ts';
import type { Holder, KeptTarget } from './termini.ts';
import type { AmqpMap, AmqpValue } from './types.ts';
import { hexOf } from './values.ts';

/** The longest delivery tag. [AMQP1-2.8.7] */
const MAX_TAG = 32;
/** What a piece of a delivery takes besides its octets. */
const CHUNK_BYTES = 64;

/** A delivery of which more frames may come. */
interface Partial {
  readonly deliveryId: number;
  readonly tag: string;
  readonly first: Transfer;
  settled: boolean;
  readonly chunks: Uint8Array[];
  bytes: number;
  /** What the connection counts it as, while it is unfinished. */
  weight: number;
}

export class IncomingLink implements AmqpLink, Holder {
  readonly handle: number;
  readonly name: string;
  readonly role = RECEIVER;
  readonly key: string | undefined;
  state: 'attached' | 'closing' = 'attached';
  private readonly session: SessionHost;
  /** Undefined: each message says where it goes. */
  private readonly address: Address | undefined;
  /** The mode in use: a client may have asked for exactly once where nothing is kept beyond the link. */
  readonly rcvSettleMode: number;
  private readonly exactly: boolean;
  private readonly kept: KeptTarget | undefined;
  private readonly dynamic: WorkQueue | undefined;
  /** Outcomes of deliveries that the client has not settled yet, by tag in hex. */
  private readonly unsettled: Map<string, number>;
  private partial: Partial | undefined = undefined;
  private deliveryCount: number;
  private credit = 0;
  private unanswered = 0;

  constructor(
    session: SessionHost,
    attach: Attach,
    address: Address | undefined,
    dynamic: WorkQueue | undefined,
    kept: KeptTarget | undefined,
    key: string | undefined,
  ) {
    this.session = session;
    this.handle = attach.handle;
    this.name = attach.name;
    this.address = address;
    this.dynamic = dynamic;
    this.exactly = attach.rcvSettleMode === RCV_SECOND;
    this.rcvSettleMode = this.exactly && kept !== undefined ? RCV_SECOND : RCV_FIRST;
    this.deliveryCount = attach.initialDeliveryCount ?? 0;
    this.kept = kept;
    this.key = key;
    this.unsettled = kept?.unsettled ?? new Map();
    this.reconcile(attach);
  }

  /** What the client has settled, or does not know any more, needs no remembering. */
  private reconcile(attach: Attach): void {
    if (attach.incompleteUnsettled === true) return;
    const theirs = statesOf(attach.unsettled);
    for (const tag of [...this.unsettled.keys()]) if (!theirs.has(tag)) this.forget(tag);
  }

  get unsettledMap(): AmqpMap | undefined {
    if (this.unsettled.size === 0) return undefined;
    return [...this.unsettled].map(([tag, code]): [AmqpValue, AmqpValue] => [
      { type: 'binary', value: octetsOf(tag) },
      {
        type: 'described',
        descriptor: { type: 'ulong', value: BigInt(code) },
        value: { type: 'list', value: [] },
      },
    ]);
  }

  start(): void {
    this.grant();
  }

  // --- credit ---

  flow(f: Flow): void {
    // A client that drains says how far it has come. [AMQP1-2.6.7]
    if (f.deliveryCount !== undefined && this.partial === undefined) {
      const skipped = (f.deliveryCount - this.deliveryCount) | 0;
      if (skipped > 0) {
        this.deliveryCount = f.deliveryCount;
        this.credit = Math.max(0, this.credit - skipped);
      }
    }
    if (f.echo === true) this.sayFlow();
    this.grant();
  }

  pull(): void {
    this.grant();
  }

  /** As many as may come before the first of them is answered; none while memory is short. */
  private grant(): void {
    const { host } = this.session;
    if (this.state !== 'attached' || host.pressed) return;
    const used = this.unanswered + (this.rcvSettleMode === RCV_SECOND ? this.unsettled.size : 0);
    if (this.credit + used > host.credit / 2) return;
    this.credit = host.credit - used;
    this.sayFlow();
  }

  private sayFlow(): void {
    const { handle, deliveryCount, credit } = this;
    this.session.flow({ handle, deliveryCount, linkCredit: credit });
  }

  // --- deliveries ---

  transfer(t: Transfer, bytes: Uint8Array, start: number, end: number): void {
    const partial = this.partial ?? this.begin(t);
    if (t.deliveryId !== undefined && t.deliveryId !== partial.deliveryId)
      throw new LinkFault('amqp:not-allowed', 'a delivery begins before the last one has ended');
    if (t.settled === true) partial.settled = true;
    if (t.aborted === true) {
      this.end();
      return;
    }
    const length = end - start;
    if (partial.bytes + length > this.session.host.maxMessageBytes)
      throw new LinkFault(
        'amqp:link:message-size-exceeded',
        `more than ${this.session.host.maxMessageBytes} octets in one message`,
      );
    // The one copy: what was received is the transport's memory.
    if (length > 0 || partial.chunks.length === 0) partial.chunks.push(bytes.slice(start, end));
    partial.bytes += length;
    if (t.more !== true) {
      this.end();
      this.arrived(partial);
      return;
    }
    const weight = length + CHUNK_BYTES;
    partial.weight += weight;
    this.partial = partial;
    this.session.host.weigh(weight);
  }

  private begin(t: Transfer): Partial {
    const { deliveryId, deliveryTag } = t;
    if (deliveryId === undefined || deliveryTag === undefined || deliveryTag.length > MAX_TAG)
      throw new LinkFault(
        'amqp:invalid-field',
        'a delivery without an id, or without a tag of at most 32 octets',
      );
    if (this.credit === 0)
      throw new LinkFault('amqp:link:transfer-limit-exceeded', 'a delivery without credit');
    this.credit--;
    this.deliveryCount = (this.deliveryCount + 1) >>> 0;
    return { deliveryId, tag: hexOf(deliveryTag), first: t, settled: false, chunks: [], bytes: 0, weight: 0 };
  }

  /** Nothing of the delivery is unfinished any more. */
  private end(): void {
    const { partial } = this;
    this.partial = undefined;
    if (partial !== undefined) this.session.host.weigh(-partial.weight);
  }

  private arrived(d: Partial): void {
    if (isTransactional(d.first.state)) {
      this.provisional(d, d.first.state!.txnId);
      return;
    }
    const known = this.unsettled.get(d.tag);
    if (known !== undefined) {
      // It came before, and was published then. [AMQP1-2.6.13]
      if (d.settled) this.forget(d.tag);
      else this.answer(d, stateOf(known), RCV_SECOND);
      this.grant();
      return;
    }
    const once = this.exactly && d.first.rcvSettleMode !== RCV_FIRST;
    const state = this.take(d, once);
    if (!d.settled) this.answer(d, state, once ? this.rcvSettleMode : RCV_FIRST);
    else if (state.kind === REJECTED)
      throw new LinkFault(state.error!.condition as 'amqp:not-allowed', state.error!.description!);
    this.grant();
  }

  /** Publishes it. The outcome, which holds once `access.due` is kept. */
  private take(d: Partial, once: boolean): DeliveryState {
    const prepared = this.prepare(d, once);
    return prepared instanceof Message ? this.publish(prepared) : prepared;
  }

  /** It is published with its transaction; until then its outcome holds on that condition. [AMQP1-4.4.1] */
  private provisional(d: Partial, txnId: Uint8Array | undefined): void {
    const { session } = this;
    const transaction = session.host.transactions.named(txnId);
    const prepared = this.prepare(d, false);
    let outcome = prepared instanceof Message ? ACCEPTED_STATE : prepared;
    if (prepared instanceof Message) {
      if (!session.host.access.may('publish', prepared.topic))
        outcome = rejected(CONDITION['not-authorized'], SENTENCE['not-authorized']);
      else transaction.publish(d.bytes, () => this.publish(prepared));
    }
    this.unanswered++;
    if (d.settled) this.answered(1);
    else
      session.answers.add(
        d.deliveryId,
        0,
        { kind: TRANSACTIONAL, txnId: transaction.id, outcome },
        true,
        this,
      );
    this.grant();
  }

  private prepare(d: Partial, once: boolean): Message | DeliveryState {
    const { host } = this.session;
    if ((d.first.messageFormat ?? 0) !== 0)
      return rejected('amqp:not-implemented', `message format ${d.first.messageFormat} is not known`);
    const sections = new Sections(whole(d));
    const topic = this.topicFor(sections);
    if (typeof topic !== 'string') return topic;
    const qos: Qos = d.settled ? 0 : once ? 2 : 1;
    const m = messageOf(sections, topic, qos, host.origin, host.hub.now());
    const forged = this.forged(sections);
    if (forged !== undefined) return forged;
    return m;
  }

  private publish(m: Message): DeliveryState {
    const { host } = this.session;
    const { received } = host.hub.counters.of('amqp1');
    received[m.qos] = received[m.qos]! + 1;
    return this.stateAfter(host.access.publish(m), m);
  }

  /** Where the message goes: the link's address, or its own. */
  private topicFor({ properties }: Sections): string | DeliveryState {
    const address = this.address ?? parseAddress(properties.to ?? '');
    if (address === undefined)
      return rejected('amqp:invalid-field', 'the message does not say where it goes');
    const topic = topicOf(address, properties.subject);
    if (isTopicName(topic, this.session.host.hub.limits)) return topic;
    return rejected('amqp:invalid-field', `${topic.slice(0, 200)}: ${SENTENCE['topic-invalid']}`);
  }

  /** Who says that he is somebody must be, unless nobody asked him and he may do everything: then a name proves nothing. [AMQP1-3.2.4] */
  private forged({ properties: { userId } }: Sections): DeliveryState | undefined {
    if (userId === undefined || userId.length === 0) return undefined;
    const { username, origin, access } = this.session.host;
    if (username === undefined && access.identity.unrestricted) return undefined;
    const said = new TextDecoder().decode(userId);
    if (said === username || said === origin.principal) return undefined;
    return rejected('amqp:unauthorized-access', `the user id is not ${username ?? origin.principal}`);
  }

  private stateAfter(outcome: Outcome, m: Message): DeliveryState {
    // An exchange that routes a message nowhere gives it back, as RabbitMQ's does; a topic without subscribers has done its work.
    if (outcome === 'unmatched') return this.address?.kind === 'exchange' ? RELEASED_STATE : ACCEPTED_STATE;
    if (outcome === 'ok') return ACCEPTED_STATE;
    return rejected(CONDITION[outcome], `${m.topic.slice(0, 200)}: ${SENTENCE[outcome]}`);
  }

  private answer(d: Partial, state: DeliveryState, mode: number): void {
    const { session } = this;
    const second = mode === RCV_SECOND;
    if (second) {
      this.remember(d.tag, state.kind);
      session.await(d.deliveryId, () => {
        this.forget(d.tag);
        this.grant();
      });
    }
    this.unanswered++;
    session.answers.add(d.deliveryId, session.host.access.due, state, !second, this);
  }

  /** So many answers have left. */
  answered(count: number): void {
    this.unanswered -= count;
    this.grant();
  }

  private remember(tag: string, code: number): void {
    const { host } = this.session;
    if (this.kept === undefined || this.key === undefined) this.unsettled.set(tag, code);
    else if (!host.termini.remember(this.key, this.kept, tag, code, host.access))
      throw new LinkFault('amqp:resource-limit-exceeded', 'too many unsettled deliveries are remembered');
  }

  private forget(tag: string): void {
    const { host } = this.session;
    if (this.kept === undefined || this.key === undefined) this.unsettled.delete(tag);
    else host.termini.settled(this.key, this.kept, tag, host.access);
  }

  // --- ends ---

  steal(): void {
    this.session.fail(this, 'amqp:link:stolen', SENTENCE['taken-over']);
  }

  release(closed: boolean): void {
    this.end();
    const { host } = this.session;
    if (closed) this.dynamic?.delete();
    if (this.key === undefined) return;
    if (closed) host.termini.forget(this.key, host.access);
    host.termini.letGo(this.key, this);
  }
}

const RELEASED_STATE: DeliveryState = { kind: RELEASED };

function rejected(condition: string, description: string): DeliveryState {
  return { kind: REJECTED, error: { condition, description } };
}

function stateOf(code: number): DeliveryState {
  return code === ACCEPTED ? ACCEPTED_STATE : { kind: code };
}

function whole({ chunks, bytes }: Partial): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const all = new Uint8Array(bytes);
  let filled = 0;
  for (const chunk of chunks) {
    all.set(chunk, filled);
    filled += chunk.length;
  }
  return all;
}

function octetsOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}
