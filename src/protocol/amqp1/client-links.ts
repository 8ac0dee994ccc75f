// The links of a client: those that it publishes on, and one for each of its subscriptions.

import { Message, type Origin, type Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type {
  Answer,
  Refusal,
  SessionMemory,
  SpeakerEvents,
  SpeakerOptions,
  SubscribeHow,
  Tag,
} from '../../contract/speaker.ts';
import { parseAddress, topicOf } from './address.ts';
import { deathsIn } from './client-terms.ts';
import type { AmqpError } from './fault.ts';
import {
  messageOf,
  payloadOf,
  publishHead,
  REPLAY_PROPERTY,
  RETAINED_ANNOTATION,
  TOPIC_ANNOTATION,
  tailOf,
} from './map.ts';
import { statesOf } from './outgoing.ts';
import {
  ACCEPTED,
  ATTACH,
  type Attach,
  DETACH,
  type DeliveryState,
  DISPOSITION,
  type Flow,
  MODIFIED,
  type Performative,
  RCV_FIRST,
  RCV_SECOND,
  RECEIVER,
  REJECTED,
  RELEASED,
  SENDER,
  SND_MIXED,
  SND_SETTLED,
  SOURCE,
  TARGET,
  type Terminus,
  type Transfer,
} from './packet.ts';
import { Sections } from './sections.ts';
import { Transferring } from './transfer.ts';
import { lookUp, symbol, text } from './types.ts';
import { hexOf } from './values.ts';

/** What links ask of their connection. */
export interface ClientHost {
  readonly options: SpeakerOptions;
  readonly events: SpeakerEvents;
  readonly memory: SessionMemory;
  readonly origin: Origin;
  readonly maxMessageBytes: number;
  /** How a terminus is kept for the next connection; undefined: it is not. */
  readonly keeping: Pick<Terminus, 'durable' | 'expiryPolicy' | 'timeout'> | undefined;
  addressOf(topic: string): string;
  nextDeliveryId(): number;
  /** The other side's window and the wire have room. */
  readonly writable: boolean;
  write(p: Performative): void;
  flow(link: Pick<Flow, 'handle' | 'deliveryCount' | 'linkCredit'>): void;
  transfer(t: Transferring): void;
  /** `said` hears what the other side says of a delivery. */
  expect(deliveryId: number, said: (state: DeliveryState | undefined, settled: boolean) => void): void;
  forget(deliveryId: number): void;
  /** `done` hears that the other side has settled a delivery of its own. */
  await(deliveryId: number, done: () => void): void;
}

export interface ClientLink {
  readonly handle: number;
  readonly name: string;
  /** The other side's attach has come: the next one of this name is another link's. */
  answered: boolean;
  /** Our detach is out. */
  readonly leaving: boolean;
  attached(p: Attach): void;
  flowed(f: Flow): void;
  transfer(t: Transfer, bytes: Uint8Array, start: number, end: number): void;
  detached(why: Refusal): void;
  pump(): void;
}

const OUTCOME_OF: Readonly<Record<string, Outcome>> = {
  'amqp:not-found': 'unmatched',
  'amqp:unauthorized-access': 'not-authorized',
  'amqp:resource-limit-exceeded': 'quota-exceeded',
  'amqp:link:message-size-exceeded': 'too-large',
  'amqp:not-implemented': 'not-supported',
  'amqp:invalid-field': 'topic-invalid',
  'amqp:resource-locked': 'busy',
  'amqp:resource-deleted': 'no-subscription',
  'amqp:link:stolen': 'taken-over',
  'amqp:connection:forced': 'shutting-down',
  'amqp:connection:redirect': 'use-another-server',
};

export function refusalOf(error: AmqpError | undefined, otherwise: string): Refusal {
  const condition = error?.condition ?? '';
  const reason = [condition, error?.description]
    .filter((part) => part !== undefined && part !== '')
    .join(': ');
  return {
    outcome: OUTCOME_OF[condition] ?? 'unavailable',
    reason: reason === '' ? otherwise : reason,
    code: 0,
  };
}

interface Pending {
  readonly message: Message;
  readonly answer: Answer;
  readonly tag: Tag | undefined;
}

/** What is published, in order, as credit allows. One link is for exactly once, another for the rest. */
export class PublishLink implements ClientLink {
  readonly handle: number;
  private readonly host: ClientHost;
  readonly name: string;
  private readonly exact: boolean;
  /** Undefined: each message says where it goes. */
  private readonly topic: string | undefined;
  private readonly ready: (resumed: boolean) => void;
  private state: 'attaching' | 'attached' | 'refused' = 'attaching';
  private refusal: Refusal | undefined = undefined;
  private credit = 0;
  private deliveryCount = 0;
  private nextTag = 1;
  /** The other side settles after us: exactly once. */
  private second = false;
  private pending: Pending[] = [];
  private readonly answers = new Set<Answer>();
  /** What the other side has of an earlier connection, by delivery tag. */
  private known: ReadonlyMap<string, DeliveryState | undefined> = new Map();

  constructor(
    host: ClientHost,
    handle: number,
    name: string,
    exact: boolean,
    topic: string | undefined,
    ready: (resumed: boolean) => void = () => undefined,
  ) {
    this.host = host;
    this.handle = handle;
    this.name = name;
    this.exact = exact;
    this.topic = topic;
    this.ready = ready;
  }

  answered = false;
  readonly leaving = false;

  /** What may be published now without waiting. */
  get room(): number {
    return this.state === 'attached' ? Math.max(0, this.credit - this.pending.length) : 0;
  }

  attach(): void {
    const { host, handle, name, exact, topic } = this;
    const address = topic === undefined ? {} : { address: host.addressOf(topic) };
    const kept = exact && host.keeping !== undefined;
    host.write({
      kind: ATTACH,
      name,
      handle,
      role: SENDER,
      sndSettleMode: SND_MIXED,
      rcvSettleMode: exact ? RCV_SECOND : RCV_FIRST,
      source: { kind: SOURCE },
      target: { kind: TARGET, ...address, ...(kept ? host.keeping : {}) },
      // Which publishes are repeated is known once the caller does: nothing may be forgotten before. [AMQP1-2.7.3]
      incompleteUnsettled: kept ? true : undefined,
      initialDeliveryCount: 0,
    });
  }

  attached(p: Attach): void {
    if (p.target === undefined) return; // a detach with the reason follows [AMQP1-2.6.3]
    this.state = 'attached';
    this.second = p.rcvSettleMode === RCV_SECOND;
    this.known = statesOf(p.unsettled);
    this.ready(lookUp(p.properties, 'x-opt-resumed')?.value === true);
    this.pump();
  }

  flowed(f: Flow): void {
    if (f.linkCredit === undefined) return;
    this.credit = Math.max(0, ((f.deliveryCount ?? 0) + f.linkCredit - this.deliveryCount) | 0);
    if (f.drain === true && this.pending.length === 0) {
      this.deliveryCount = (this.deliveryCount + this.credit) >>> 0;
      this.credit = 0;
      this.host.flow({ handle: this.handle, deliveryCount: this.deliveryCount, linkCredit: 0 });
    }
    this.pump();
  }

  transfer(): void {}

  detached(why: Refusal): void {
    this.state = 'refused';
    this.refusal = why;
    const { pending, answers } = this;
    this.pending = [];
    for (const { answer } of pending) answer(why);
    for (const answer of [...answers]) answer(why);
    answers.clear();
    this.ready(false);
  }

  publish(message: Message, answer: Answer, tag: Tag | undefined): void {
    if (this.refusal !== undefined) answer(this.refusal);
    else {
      this.pending.push({ message, answer, tag });
      this.pump();
    }
  }

  pump(): void {
    while (this.state === 'attached' && this.pending.length > 0 && this.credit > 0 && this.host.writable)
      this.send(this.pending.shift()!);
  }

  private send({ message: m, answer, tag }: Pending): void {
    const { host, exact } = this;
    const deliveryTag = tag === undefined ? passingTag(this.nextTag++) : lastingTag(tag.tag);
    const there = tag !== undefined && exact && this.known.has(hexOf(deliveryTag));
    if (tag?.stage === 'released' || (there && tag?.stage === 'again')) {
      // It was taken in an earlier connection: all that is left is to say that this side knows. [AMQP1-2.6.13]
      if (there) this.put(deliveryTag, true, true, []);
      answer(undefined);
      return;
    }
    const payload = payloadOf(m);
    const parts = [publishHead(m, host.addressOf(m.topic), host.options.now()), payload, tailOf(m)];
    if (parts.reduce((sum, { length }) => sum + length, 0) > host.maxMessageBytes) {
      answer({
        outcome: 'too-large',
        reason: `the other side takes ${host.maxMessageBytes} octets`,
        code: 0,
      });
      return;
    }
    const deliveryId = this.put(deliveryTag, m.qos === 0, false, parts);
    if (m.qos === 0) {
      answer(undefined);
      return;
    }
    this.answers.add(answer);
    host.expect(deliveryId, (state, settled) => this.said(deliveryId, answer, tag, state, settled));
  }

  private put(tag: Uint8Array, settled: boolean, resume: boolean, parts: readonly Uint8Array[]): number {
    const { host, handle } = this;
    const deliveryId = host.nextDeliveryId();
    this.credit--;
    this.deliveryCount = (this.deliveryCount + 1) >>> 0;
    const state = resume ? { kind: ACCEPTED } : undefined;
    host.transfer(
      new Transferring({ handle, deliveryId, tag, settled, rcvSettleMode: undefined, state, resume }, parts),
    );
    return deliveryId;
  }

  private said(
    deliveryId: number,
    answer: Answer,
    tag: Tag | undefined,
    state: DeliveryState | undefined,
    settled: boolean,
  ): void {
    const kind = state?.kind ?? (settled ? ACCEPTED : 0);
    if (kind < ACCEPTED || kind > MODIFIED) return;
    const { host } = this;
    host.forget(deliveryId);
    this.answers.delete(answer);
    const done = (): void => {
      if (kind === ACCEPTED) answer(undefined);
      else if (kind === RELEASED) answer(undefined, true);
      else
        answer(refusalOf(state?.error, kind === REJECTED ? 'it was rejected' : 'it could not be delivered'));
    };
    if (settled || !this.second) {
      done();
      return;
    }
    if (tag !== undefined && kind === ACCEPTED) host.memory.released(tag.tag);
    host.memory.kept(() => {
      host.write({ kind: DISPOSITION, role: SENDER, first: deliveryId, settled: true, state: { kind } });
      done();
    });
  }
}

/** A delivery that the caller has and has not answered. */
interface InHand {
  readonly deliveryId: number;
  readonly exact: boolean;
}

const ENDED_EARLY: Refusal = {
  outcome: 'no-subscription',
  reason: 'it was ended before it was granted',
  code: 0,
};

/** One subscription. */
export class SubscribeLink implements ClientLink {
  readonly handle: number;
  readonly filter: string;
  private readonly host: ClientHost;
  private readonly qos: Qos;
  private readonly how: SubscribeHow;
  private readonly window: number;
  private readonly hash: number;
  private answer: ((granted: Qos | Refusal) => void) | undefined;
  answered = false;
  private ending: Answer | undefined = undefined;
  private credit = 0;
  private deliveryCount = 0;
  private first: Transfer | undefined = undefined;
  private chunks: Uint8Array[] = [];
  private bytes = 0;
  private second = false;
  private readonly inHand = new Map<number, InHand>();
  /** What the other side sent in an earlier connection and has not settled. */
  private resuming: ReadonlyMap<string, DeliveryState | undefined> = new Map();
  private readonly nextId: () => number;

  constructor(
    host: ClientHost,
    handle: number,
    filter: string,
    qos: Qos,
    how: SubscribeHow,
    answer: (granted: Qos | Refusal) => void,
    nextId: () => number,
  ) {
    this.host = host;
    this.handle = handle;
    this.filter = filter;
    this.qos = qos;
    this.how = how;
    this.answer = answer;
    this.nextId = nextId;
    this.window = Math.max(1, Math.min(host.options.receiveMaximum, 1_000));
    this.hash = hashOf(filter);
  }

  get leaving(): boolean {
    return this.ending !== undefined;
  }

  get name(): string {
    return this.filter;
  }

  attach(): void {
    const { host, handle, filter, qos, how } = this;
    host.write({
      kind: ATTACH,
      name: filter,
      handle,
      role: RECEIVER,
      sndSettleMode: qos === 0 ? SND_SETTLED : SND_MIXED,
      rcvSettleMode: qos === 2 ? RCV_SECOND : RCV_FIRST,
      source: {
        kind: SOURCE,
        address: host.addressOf(filter),
        ...host.keeping,
        ...(how.noLocal === true ? { filter: NO_LOCAL } : {}),
      },
      target: { kind: TARGET },
      incompleteUnsettled: qos === 2 && host.keeping !== undefined ? true : undefined,
      properties: how.retained === 'none' ? [[symbol(REPLAY_PROPERTY), text('none')]] : undefined,
    });
  }

  attached(p: Attach): void {
    if (p.source === undefined) return; // a detach with the reason follows [AMQP1-2.6.3]
    this.second = p.rcvSettleMode === RCV_SECOND;
    this.resuming = statesOf(p.unsettled);
    this.deliveryCount = p.initialDeliveryCount ?? 0;
    const { answer } = this;
    this.answer = undefined;
    answer?.(this.qos);
    this.grant();
  }

  flowed(f: Flow): void {
    if (f.deliveryCount !== undefined) this.deliveryCount = f.deliveryCount;
  }

  pump(): void {}

  private grant(): void {
    if (this.ending !== undefined) return; // the handle is the other side's to forget [AMQP1-2.6.6]
    const used = this.inHand.size;
    if (this.credit + used > this.window / 2 && this.credit > 0) return;
    const credit = this.window - used;
    if (credit <= this.credit) return;
    this.credit = credit;
    this.host.flow({ handle: this.handle, deliveryCount: this.deliveryCount, linkCredit: credit });
  }

  detached(why: Refusal): void {
    const { answer, ending } = this;
    this.answer = undefined;
    this.ending = undefined;
    if (ending !== undefined) ending(undefined);
    else answer?.(why);
  }

  unsubscribe(answer: Answer): void {
    this.ending = answer;
    this.answer?.(ENDED_EARLY);
    this.answer = undefined;
    this.host.write({ kind: DETACH, handle: this.handle, closed: true });
  }

  // --- deliveries ---

  transfer(t: Transfer, bytes: Uint8Array, start: number, end: number): void {
    this.first ??= t;
    this.bytes += end - start;
    this.chunks.push(bytes.slice(start, end));
    if (t.more === true) return;
    const { first, chunks } = this;
    this.first = undefined;
    this.chunks = [];
    this.bytes = 0;
    this.credit--;
    this.deliveryCount = (this.deliveryCount + 1) >>> 0;
    // What was under way when we detached is for others, or for nobody.
    if (t.aborted !== true && this.ending === undefined) this.arrived(first, joined(chunks));
    this.grant();
  }

  get gathered(): number {
    return this.bytes;
  }

  private arrived(t: Transfer, octets: Uint8Array): void {
    const settled = t.settled === true;
    const exact = !settled && this.second && t.rcvSettleMode !== RCV_FIRST;
    const tag = t.deliveryTag ?? new Uint8Array(0);
    const id = settled ? 0 : exact ? this.exactId(tag) : this.nextId();
    if (t.resume === true && settled) {
      this.host.memory.inbound.delete(id === 0 ? this.exactId(tag) : id);
      return;
    }
    if (exact && this.host.memory.inbound.has(id)) {
      // Taken in an earlier connection, if the other side knows that it sent it then; else the number is another message's.
      if (this.resuming.has(hexOf(tag))) {
        this.take(id, t.deliveryId!, true);
        return;
      }
      this.host.memory.inbound.delete(id);
    }
    if (!settled) this.inHand.set(id, { deliveryId: t.deliveryId!, exact });
    this.tell(new Sections(octets), t, id, settled ? 0 : exact ? 2 : 1);
  }

  private tell(sections: Sections, t: Transfer, id: number, qos: Qos): void {
    const { host, filter } = this;
    const said = lookUp(sections.annotations, TOPIC_ANNOTATION)?.value ?? sections.properties.to;
    const address = typeof said === 'string' ? parseAddress(said) : undefined;
    const topic = address === undefined ? filter : topicOf(address, undefined);
    const m = messageOf(sections, topic, qos, host.origin, host.options.now());
    const { wrapping: _, ...plain } = m.meta!;
    const deaths = sections.hasAnnotations ? deathsIn(sections.annotations) : [];
    const meta = deaths.length === 0 ? plain : { ...plain, user: [...(plain.user ?? []), ...deaths] };
    const retained = lookUp(sections.deliveryAnnotations, RETAINED_ANNOTATION)?.value === true;
    host.events.delivered({
      message: new Message(topic, m.payload, qos, retained, m.origin, m.at, m.expiresAt, meta),
      id,
      retained,
      duplicate: sections.header.firstAcquirer === false || t.resume === true,
      filters: [filter],
    });
  }

  /** Of one message the same in every connection: part of the filter's hash, and the number in the tag. */
  private exactId(tag: Uint8Array): number {
    let n = 0;
    for (const octet of tag.subarray(-4)) n = n * 0x100 + octet;
    return this.hash * 0x1_0000_0000 + n;
  }

  /** False: it is none of this link's. */
  settle(id: number, outcome: Outcome): boolean {
    const one = this.inHand.get(id);
    if (one === undefined) return false;
    this.inHand.delete(id);
    if (this.ending !== undefined) return true;
    const { deliveryId, exact } = one;
    if (exact && (outcome === 'ok' || outcome === 'unmatched')) this.take(id, deliveryId, false);
    else
      this.host.write({
        kind: DISPOSITION,
        role: RECEIVER,
        first: deliveryId,
        settled: true,
        state: stateOf(outcome),
      });
    this.grant();
    return true;
  }

  /** Says that it is taken, once that is remembered; the other side settles. */
  private take(id: number, deliveryId: number, known: boolean): void {
    const { host } = this;
    if (!known) host.memory.inbound.add(id);
    host.await(deliveryId, () => host.memory.inbound.delete(id));
    host.memory.kept(() =>
      host.write({
        kind: DISPOSITION,
        role: RECEIVER,
        first: deliveryId,
        settled: false,
        state: { kind: ACCEPTED },
      }),
    );
  }
}

const NO_LOCAL: Terminus['filter'] = [
  [
    symbol('no-local'),
    {
      type: 'described',
      descriptor: symbol('apache.org:no-local-filter:list'),
      value: { type: 'list', value: [] },
    },
  ],
];

function stateOf(outcome: Outcome): DeliveryState {
  if (outcome === 'ok' || outcome === 'unmatched') return { kind: ACCEPTED };
  if (outcome === 'busy') return { kind: RELEASED };
  return { kind: REJECTED, error: { condition: 'amqp:precondition-failed', description: outcome } };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let filled = 0;
  for (const chunk of chunks) {
    all.set(chunk, filled);
    filled += chunk.length;
  }
  return all;
}

/** 1 to 2^20. */
function hashOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) | 0;
  return ((hash >>> 12) & 0xf_ffff) + 1;
}

function lastingTag(n: number): Uint8Array {
  return Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
}

function passingTag(n: number): Uint8Array {
  return Uint8Array.of(0xff, n >>> 24, n >>> 16, n >>> 8, n);
}
