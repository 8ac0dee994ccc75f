// What goes out to one client: takes messages and runs from its mailboxes, within its window, and knows the fate of each.

import type { Access, Hub, ProtocolCounters } from '../../contract/hub.ts';
import type { Consumer, Grant, Mailbox, Settler } from '../../contract/mailbox.ts';
import { type Message, NEVER, type Qos } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import type { Run } from '../../contract/run.ts';
import type { Wire } from '../../contract/wire.ts';
import { OutgoingAliases } from './alias.ts';
import type { Answers } from './answers.ts';
import { Flight, RELEASED, SENT_ONCE, SENT_TWICE } from './flight.ts';
import {
  byReference,
  isPlain,
  OwnParts,
  ownFrameBytes,
  plainFrameBytes,
  writeOwn,
  writePlain,
} from './frame.ts';
import { type LaneRun, type Lanes, SEQUENCE_FIRST_ID, SEQUENCE_IDS, SEQUENCE_MASK } from './lane.ts';
import { outcomeOfRefusal, TAG_IDENTIFIER, TAG_RETAIN_AS_PUBLISHED } from './map.ts';
import { PUBREL } from './packet.ts';
import { sharedFrame, writeShared } from './shared-frame.ts';

/** Ids that a client's own mailbox derives from its numbers: 1 to 32767. */
const OWN_IDS = 32_767;
/** Runs leave the upper half of the sequence's reach to single deliveries, so that these never collide. */
const RUN_REACH = SEQUENCE_IDS / 2;
/** The most that an alias adds to a frame: the property, and an octet for each length that it pushes over a limit. */
const ALIAS_BYTES = 5;
/** The largest window: below it single deliveries always find a free id. */
export const LARGEST_WINDOW = 16_000;

/** What one delivery adds to the shared frame; one object for all, filled and read within `deliver`. */
const own = new OwnParts();

export interface OutflowTerms {
  readonly level5: boolean;
  readonly lane: number;
  /** Unacknowledged QoS 1 and 2 messages at most: the lower of the client's receive maximum and our own limit. */
  readonly window: number;
  /** The largest packet that the client takes, octets. */
  readonly maxPacketBytes: number;
  /** The client's topic alias maximum. */
  readonly aliasMaximum: number;
}

export class Outflow implements Consumer {
  private readonly wire: Wire;
  private readonly hub: Hub;
  private readonly access: Access;
  private readonly box: Mailbox;
  private readonly terms: OutflowTerms;
  private readonly answers: Answers;
  private readonly lanes: Lanes;
  private readonly counters: ProtocolCounters;
  private readonly host: { evict(why: Outcome): void };
  /** False before CONNACK left and after the connection ended: nothing may be delivered. */
  private flowing = false;
  /** Something was held back: the mailbox wants a pull when there is room again. */
  private starved = false;
  /** Deliveries of the client's own mailbox with a number, by the ids derived from it. */
  private numbered: Flight | undefined = undefined;
  /** All others, by ids of the shared sequence, and the sequence number of the newest. */
  private sequenced: Flight | undefined = undefined;
  private newest = 0;
  private aliases: OutgoingAliases | undefined = undefined;

  constructor(
    wire: Wire,
    hub: Hub,
    access: Access,
    box: Mailbox,
    terms: OutflowTerms,
    answers: Answers,
    lanes: Lanes,
    host: { evict(why: Outcome): void },
  ) {
    this.wire = wire;
    this.hub = hub;
    this.access = access;
    this.box = box;
    this.terms = terms;
    this.answers = answers;
    this.lanes = lanes;
    this.counters = hub.counters.of('mqtt');
    this.host = host;
  }

  /** CONNACK left: first what the client has stored already is released, then delivery starts. */
  start(): void {
    for (const number of this.box.released()) {
      const id = (number % OWN_IDS) + 1;
      this.numbered ??= new Flight(OWN_IDS);
      this.numbered.add(id, RELEASED, this.box, number);
      this.answers.acknowledge(PUBREL, id, 0, 0); // [MQTT5-4.4.0-1] [MQTT311-4.4.0-1]
    }
    this.flowing = true;
    this.box.attach(this);
  }

  stop(): void {
    this.flowing = false;
  }

  private get room(): number {
    const numbered = this.numbered === undefined ? 0 : this.numbered.live;
    const sequenced = this.sequenced === undefined ? 0 : this.sequenced.live;
    return this.terms.window - numbered - sequenced;
  }

  ready(qos: Qos): boolean {
    if (!this.flowing) return false;
    const open = !this.wire.full && (qos === 0 || (this.room > 0 && this.reachable));
    if (!open) this.starved = true;
    return open;
  }

  /** Whether the sequence may go on: its newest id must not come around to an unacknowledged one. */
  private get reachable(): boolean {
    return this.sequenced === undefined || this.sequenced.span < SEQUENCE_IDS - 1;
  }

  /** Room came, or may have come: what waits goes on. */
  refill(): void {
    if (!this.starved || !this.flowing) return;
    this.starved = false;
    this.box.pull();
  }

  deliver(
    m: Message,
    qos: Qos,
    grant: Grant,
    replayed: boolean,
    number: number,
    again: boolean,
    box: Settler,
  ): void {
    // What was begun at QoS 2 is brought to its end, with the least life that can be said. [MQTT5-4.3.3-7]
    const expiry = again && qos === 2 ? Math.abs(this.expiryOf(m)) : this.expiryOf(m);
    if (expiry < 0) {
      this.drop('expired', number, box); // [MQTT5-3.3.2-5]
      return;
    }
    let first = 0x30 | (qos << 1);
    if (again && qos > 0) first |= 0x08; // [MQTT5-3.3.1-1]
    if (replayed || (m.retain && retainsAsPublished(grant.tags))) first |= 0x01; // [MQTT5-3.3.1-8,12,13]
    if (this.terms.level5 && this.deliverOwn(m, qos, grant, expiry, number, box, first)) return;
    if (m !== this.lanes.delivered && isPlain(m, this.terms.level5)) {
      this.deliverFirst(m, qos, number, box, first);
      return;
    }
    const frame = sharedFrame(m, this.terms.level5, qos > 0);
    const bytes = frame.length + (byReference(m) ? m.payload.length : 0);
    if (bytes > this.terms.maxPacketBytes) {
      this.drop('too-large', number, box);
      return;
    }
    writeShared(this.wire, frame, first, this.idFor(qos, number, box), m);
    this.delivered(qos, number, box);
  }

  /** Most messages that come one by one have one receiver: only for a second one is a frame encoded that they share. */
  private deliverFirst(m: Message, qos: Qos, number: number, box: Settler, first: number): void {
    const { level5, maxPacketBytes } = this.terms;
    this.lanes.delivered = m;
    if (plainFrameBytes(m, qos > 0, level5) > maxPacketBytes) {
      this.drop('too-large', number, box);
      return;
    }
    writePlain(this.wire, m, first, this.idFor(qos, number, box), level5);
    this.delivered(qos, number, box);
  }

  /** Seconds that the message has still to live, rounded up; 0: it lives for ever; -1: it is dead. */
  private expiryOf(m: Message): number {
    if (m.expiresAt === NEVER) return 0;
    const left = m.expiresAt - this.hub.now();
    return left <= 0 ? -1 : Math.min(Math.ceil(left / 1000), 0xffffffff); // [MQTT5-3.3.2-6]
  }

  /** Sends a frame with properties of this receiver only; false when the delivery needs none. */
  private deliverOwn(
    m: Message,
    qos: Qos,
    grant: Grant,
    expiry: number,
    number: number,
    box: Settler,
    first: number,
  ): boolean {
    if (this.terms.aliasMaximum === 0 && expiry === 0 && !identified(grant.tags)) return false;
    own.expiry = expiry;
    own.tags = grant.tags;
    own.alias = this.aliases === undefined ? 0 : this.aliases.known(m.topic);
    own.topicless = own.alias !== 0;
    const bytes = ownFrameBytes(m, qos > 0 ? 1 : 0, own);
    if (bytes > this.terms.maxPacketBytes) {
      this.drop('too-large', number, box);
      return true;
    }
    if (this.terms.aliasMaximum > 0 && own.alias === 0 && bytes + ALIAS_BYTES <= this.terms.maxPacketBytes) {
      this.aliases ??= new OutgoingAliases(this.terms.aliasMaximum);
      own.alias = this.aliases.introduce(m.topic);
    }
    writeOwn(this.wire, m, first, this.idFor(qos, number, box), own);
    this.delivered(qos, number, box);
    return true;
  }

  private drop(reason: string, number: number, box: Settler): void {
    this.hub.counters.drop(reason);
    if (number !== 0) box.settle(number, 'ok'); // as if it were sent [MQTT5-3.1.2-25]
  }

  private delivered(qos: Qos, number: number, box: Settler): void {
    this.counters.delivered[qos]!++;
    if (qos === 0 && number !== 0) box.settle(number, 'ok');
  }

  /** A packet id, registered as in flight; 0 at QoS 0. */
  private idFor(qos: Qos, number: number, box: Settler): number {
    if (qos === 0) return 0;
    const state = qos === 1 ? SENT_ONCE : SENT_TWICE;
    if (number !== 0 && box === this.box) {
      // Derived from the mailbox's number, so that it survives a crash without being stored [MQTT5-4.4.0-1].
      const id = (number % OWN_IDS) + 1;
      this.numbered ??= new Flight(OWN_IDS);
      this.numbered.add(id, state, box, number);
      return id;
    }
    this.sequenced ??= new Flight(SEQUENCE_IDS);
    const next = this.nextNumber(1);
    const id = SEQUENCE_FIRST_ID | (next & (SEQUENCE_IDS - 1));
    if (number === 0) this.sequenced.append(id, state);
    else this.sequenced.add(id, state, box, number);
    this.newest = next;
    return id;
  }

  /**
   * The first of `count` numbers for this client alone. It follows the newest in flight closely, so that a single delivery never collides,
   * whatever the others do to the sequence.
   */
  private nextNumber(count: number): number {
    if (this.sequenced!.places === 0) return this.lanes.draw(count);
    const next = (this.newest + 1) & SEQUENCE_MASK;
    const behind = (next - this.lanes.sequence) & SEQUENCE_MASK;
    if (behind <= SEQUENCE_MASK >> 1) this.lanes.sequence = (next + count) & SEQUENCE_MASK;
    return next;
  }

  take(run: Run, grant: Grant): number {
    const { terms, wire } = this;
    if (run.lane !== terms.lane || run.qos > grant.qos || !this.flowing) return 0;
    if (wire.full) {
      this.starved = true;
      return 0;
    }
    // Identifiers and aliases are the client's own: its frames are nobody else's.
    if (terms.aliasMaximum > 0 || (terms.level5 && identified(grant.tags))) return 0;
    const mine = run as LaneRun;
    if (mine.longest > terms.maxPacketBytes) return 0;
    if (run.qos !== 0) return this.takeAcknowledged(mine);
    this.send(mine, run.count);
    this.counters.delivered[0]! += run.count;
    return run.count;
  }

  private takeAcknowledged(run: LaneRun): number {
    let count = this.room;
    if (count < run.count) this.starved = true;
    else count = run.count;
    if (count <= 0) return 0;
    this.sequenced ??= new Flight(SEQUENCE_IDS);
    if (run.first < 0) run.first = run.takers < 2 ? this.nextNumber(count) : this.lanes.draw(run.count);
    const { first } = run;
    const flight = this.sequenced;
    if (flight.places > 0) {
      const ahead = (first - this.newest) & SEQUENCE_MASK;
      if (ahead === 0 || ahead + count + flight.span > RUN_REACH) return 0;
    }
    this.send(run, count);
    const state = run.qos === 1 ? SENT_ONCE : SENT_TWICE;
    for (let i = 0; i < count; i++) {
      flight.append(SEQUENCE_FIRST_ID | ((first + i) & (SEQUENCE_IDS - 1)), state);
    }
    this.newest = (first + count - 1) & SEQUENCE_MASK;
    this.counters.delivered[run.qos]! += count;
    return count;
  }

  /** Sends the first `count` frames: one copy for one receiver, one copy together for several. */
  private send(run: LaneRun, count: number): void {
    const { wire } = this;
    const length = run.ends[count - 1]!;
    if (run.takers < 2) {
      const at = wire.reserve(length);
      copyRun(run, wire.bytes, at, count);
      return;
    }
    const { copy } = run;
    if (copy.slab === undefined) {
      copy.hold(wire.slabs, run.end - run.start);
      copyRun(run, copy.slab!.bytes, copy.at, run.count);
      run.shared = copy;
    }
    wire.share(copy.slab!, copy.at, copy.at + length);
  }

  /** PUBACK: the client took a QoS 1 message, or refuses it. */
  acknowledged(id: number, code: number): void {
    const flight = id >= SEQUENCE_FIRST_ID ? this.sequenced : this.numbered;
    const at = flight === undefined ? -1 : flight.find(id);
    if (at < 0) return; // late, or sent twice: nothing is owed
    if (flight!.stateAt(at) !== SENT_ONCE)
      throw new ProtocolError('MQTT5-4.3.3-1', `PUBACK for packet ${id}, which is not of QoS 1`, 0x82);
    this.finish(flight!, at, code);
  }

  /** PUBREC: the client has stored a QoS 2 message, or refuses it. */
  received(id: number, code: number): void {
    const flight = id >= SEQUENCE_FIRST_ID ? this.sequenced : this.numbered;
    const at = flight === undefined ? -1 : flight.find(id);
    if (at < 0) {
      if (code < 0x80) this.answers.acknowledge(PUBREL, id, 0x92, this.access.due);
      return;
    }
    const state = flight!.stateAt(at);
    if (state === SENT_ONCE)
      throw new ProtocolError('MQTT5-4.3.2-1', `PUBREC for packet ${id}, which is of QoS 1`, 0x82);
    if (code >= 0x80) {
      this.finish(flight!, at, code); // [MQTT5-4.3.3-4]: no PUBREL after a refusal
      return;
    }
    const number = flight!.settleAt(at);
    if (state === SENT_TWICE) {
      flight!.release(at);
      if (number !== 0) flight!.boxAt(at)!.release(number);
    }
    // PUBREL promises that it will never be sent again: not before that is kept.
    this.answers.acknowledge(PUBREL, id, 0, number === 0 ? 0 : this.access.due);
  }

  /** PUBCOMP: the QoS 2 handshake is over. */
  completed(id: number): void {
    const flight = id >= SEQUENCE_FIRST_ID ? this.sequenced : this.numbered;
    const at = flight === undefined ? -1 : flight.find(id);
    if (at < 0) return;
    if (flight!.stateAt(at) !== RELEASED)
      throw new ProtocolError('MQTT5-4.3.3-4', `PUBCOMP for packet ${id}, which was not released`, 0x82);
    this.finish(flight!, at, 0);
  }

  private finish(flight: Flight, at: number, code: number): void {
    const number = flight.settleAt(at);
    const box = flight.boxAt(at);
    flight.finish(at);
    if (number !== 0) box!.settle(number, code < 0x80 ? 'ok' : outcomeOfRefusal(code));
  }

  evict(why: Outcome): void {
    this.host.evict(why);
  }
}

function retainsAsPublished(tags: readonly number[]): boolean {
  for (let i = 0; i < tags.length; i++) if ((tags[i]! & TAG_RETAIN_AS_PUBLISHED) !== 0) return true;
  return false;
}

function identified(tags: readonly number[]): boolean {
  for (let i = 0; i < tags.length; i++) if ((tags[i]! & TAG_IDENTIFIER) !== 0) return true;
  return false;
}

/** Copies the first `count` frames and writes the sequence's packet ids into the copy. */
function copyRun(run: LaneRun, target: Uint8Array, at: number, count: number): void {
  const length = run.ends[count - 1]!;
  copyOctets(run.bytes, run.start, target, at, length);
  if (run.qos === 0) return;
  const { idAt, first } = run;
  for (let i = 0; i < count; i++) {
    const id = SEQUENCE_FIRST_ID | ((first + i) & (SEQUENCE_IDS - 1));
    const where = at + idAt[i]!;
    target[where] = id >> 8;
    target[where + 1] = id;
  }
}

/** A loop for what is shorter than the price of a view. */
function copyOctets(from: Uint8Array, start: number, to: Uint8Array, at: number, length: number): void {
  if (length > 96) {
    to.set(from.subarray(start, start + length), at);
    return;
  }
  for (let i = 0; i < length; i++) to[at + i] = from[start + i]!;
}
