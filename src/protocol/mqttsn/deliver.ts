// Messages on their way to one client: registered, published, repeated, acknowledged.

import type { Access, Hub, ProtocolCounters } from '../../contract/hub.ts';
import type { Consumer, Grant, Mailbox, Settler } from '../../contract/mailbox.ts';
import { type Message, NEVER, type Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { Run } from '../../contract/run.ts';
import type { Answers, Line } from './line.ts';
import type { SnOptions } from './options.ts';
import { ACCEPTED, CONGESTION, INVALID_TOPIC_ID, PUBLISH, PUBREL, REGISTER, type TopicId } from './packet.ts';
import type { Topics } from './topics.ts';

/** Ids that the mailbox's numbers become, 1 to 32767; the others are for what has no number. They survive a restart as in MQTT. */
const OWN_IDS = 32_767;
/** What is registered to prove an address: short, and never published. */
const PROOF_TOPIC = '$';
/** Octets of a REGISTER besides the name, at most. */
const REGISTER_BYTES = 8;

/**
 *     waiting      its topic has no id yet, and another topic is being registered
 *     registering  REGISTER sent. REGACK: sent; refused: done
 *     sent         PUBLISH sent. PUBACK: done; PUBREC: released; unknown topic id: waiting, once
 *     released     PUBREC came, PUBREL sent. PUBCOMP: done
 */
type Stage = 'waiting' | 'registering' | 'sent' | 'released';

/** One delivery that is not over. QoS 0 is over once it is sent. */
class Flying {
  readonly message: Message | undefined;
  readonly qos: Qos;
  readonly id: number;
  readonly number: number;
  readonly box: Settler;
  readonly retain: boolean;
  again: boolean;
  stage: Stage = 'waiting';
  /** What is sent again while no answer comes. */
  bytes: Uint8Array | undefined = undefined;
  topicId = 0;
  tries = 0;
  dueAt = NEVER;
  /** The client did not know the topic id once already. */
  introduced = false;

  constructor(
    message: Message | undefined,
    qos: Qos,
    id: number,
    number: number,
    box: Settler,
    retain: boolean,
    again: boolean,
  ) {
    this.message = message;
    this.qos = qos;
    this.id = id;
    this.number = number;
    this.box = box;
    this.retain = retain;
    this.again = again;
  }
}

export interface OutflowHost {
  evict(why: Outcome): void;
  /** A time for `tick` came nearer. */
  hurry(at: number): void;
}

export class Outflow implements Consumer {
  private readonly line: Line;
  private readonly hub: Hub;
  private readonly access: Access;
  private readonly box: Mailbox;
  private readonly topics: Topics;
  private readonly answers: Answers;
  private readonly options: SnOptions;
  private readonly counters: ProtocolCounters;
  private readonly host: OutflowHost;
  private readonly flying = new Map<number, Flying>();
  /** The one delivery whose topic is being registered, which may be of QoS 0. */
  private registering: Flying | undefined = undefined;
  private flowing = false;
  /** The address is being proved; what went out before it changed waits for that. */
  private proof:
    | { readonly id: number; readonly bytes: Uint8Array; tries: number; dueAt: number }
    | undefined = undefined;
  private resuming = false;
  /** Something was held back: the mailbox wants a pull when there is room again. */
  private starved = false;
  private lastId = OWN_IDS;

  constructor(
    line: Line,
    hub: Hub,
    access: Access,
    box: Mailbox,
    topics: Topics,
    answers: Answers,
    options: SnOptions,
    host: OutflowHost,
  ) {
    this.line = line;
    this.hub = hub;
    this.access = access;
    this.box = box;
    this.topics = topics;
    this.answers = answers;
    this.options = options;
    this.counters = hub.counters.of('mqttsn');
    this.host = host;
  }

  /** CONNACK left: what the client has stored already is released first, then delivery starts. */
  start(now: number): void {
    for (const number of this.box.released()) {
      const id = (number % OWN_IDS) + 1;
      const f = new Flying(undefined, 2, id, number, this.box, false, true);
      f.stage = 'released';
      f.bytes = this.line.codec.encode({ type: PUBREL, id });
      this.flying.set(id, f);
      this.transmit(f, f.bytes, now);
    }
    this.flowing = true;
    this.box.attach(this);
  }

  /** The client sleeps, or is gone: what is not sent waits. */
  stop(): void {
    this.flowing = false;
    this.resuming = false;
    this.proof = undefined;
  }

  /** The client is awake: what had no answer goes out again, then what has gathered. */
  resume(now: number): void {
    this.flowing = true;
    this.resuming = !this.line.proved;
    this.starved = this.resuming;
    if (this.resuming) {
      this.prove(now);
      return;
    }
    if (this.registering !== undefined) this.repeat(this.registering, now, true);
    for (const f of this.flying.values()) if (f.bytes !== undefined) this.repeat(f, now, true);
    this.box.pull();
  }

  /** Nothing waits and nothing is on its way. */
  get empty(): boolean {
    return this.flying.size === 0 && this.registering === undefined && !this.starved;
  }

  ready(qos: Qos): boolean {
    const open =
      this.flowing &&
      !this.line.full &&
      this.registering === undefined &&
      (qos === 0 || this.flying.size < this.options.window);
    if (open && this.line.proved) return true;
    this.starved = true;
    if (open) this.prove(this.hub.now());
    return false;
  }

  /** Asks for an answer that only who reads what is sent to this address can give. */
  private prove(now: number): void {
    if (this.proof !== undefined) return;
    const [high, low] = this.hub.random(2) as unknown as [number, number];
    const id = (high << 8) | low || 1;
    const topicId = this.topics.introduce(PROOF_TOPIC);
    const bytes = this.line.codec.encode({ type: REGISTER, topicId, id, topic: PROOF_TOPIC });
    this.proof = { id, bytes, tries: 0, dueAt: now + this.options.retryMs };
    this.line.send(bytes);
    this.host.hurry(this.proof.dueAt);
  }

  private proven(now: number): void {
    this.proof = undefined;
    this.line.proved = true;
    if (this.resuming) this.resume(now);
    else this.refill();
  }

  refill(): void {
    if (!this.starved || !this.flowing) return;
    this.starved = false;
    this.box.pull();
  }

  deliver(
    m: Message,
    qos: Qos,
    _grant: Grant,
    replayed: boolean,
    number: number,
    again: boolean,
    box: Settler,
  ): void {
    const now = this.hub.now();
    if (m.expiresAt <= now && !(again && qos === 2)) {
      this.drop('expired', number, box);
      return;
    }
    if (this.line.codec.publishBytes(m.payload.length) > this.line.maxBytes) {
      this.drop('too-large', number, box);
      return;
    }
    const f = new Flying(m, qos, this.idFor(qos, number, box), number, box, replayed, again);
    if (qos > 0) this.flying.set(f.id, f);
    this.dispatch(f, now);
  }

  take(_run: Run, _grant: Grant): number {
    return 0; // no other dialect's frames are ours
  }

  evict(why: Outcome): void {
    this.host.evict(why);
  }

  private idFor(qos: Qos, number: number, box: Settler): number {
    if (qos === 0) return 0;
    if (number !== 0 && box === this.box) return (number % OWN_IDS) + 1;
    do this.lastId = this.lastId >= 0xfffe ? OWN_IDS + 1 : this.lastId + 1;
    while (this.flying.has(this.lastId));
    return this.lastId;
  }

  private drop(reason: string, number: number, box: Settler): void {
    this.hub.counters.drop(reason);
    if (number !== 0) box.settle(number, 'ok');
  }

  /** Sends it if its topic has an id, else sees to it that it gets one. */
  private dispatch(f: Flying, now: number): void {
    const ref = this.topics.refOf(f.message!.topic);
    if (ref !== undefined) {
      this.publish(f, ref, now);
      return;
    }
    f.stage = 'waiting';
    f.bytes = undefined;
    f.dueAt = NEVER;
    if (this.registering === undefined) this.register(f, now);
  }

  private register(f: Flying, now: number): void {
    const { topic } = f.message!;
    if (topic.length + REGISTER_BYTES > this.line.maxBytes / 3) {
      this.finish(f, 'too-large');
      this.hub.counters.drop('too-large');
      return;
    }
    f.topicId = this.topics.introduce(topic);
    f.stage = 'registering';
    this.registering = f;
    // The id of a delivery is free for its REGISTER; QoS 0 has none, and nobody else registers meanwhile.
    const id = f.qos === 0 ? 0xffff : f.id;
    f.tries = 0;
    f.bytes = this.line.codec.encode({ type: REGISTER, topicId: f.topicId, id, topic });
    this.transmit(f, f.bytes, now);
  }

  private publish(f: Flying, topic: TopicId, now: number): void {
    const { codec } = this.line;
    const dup = f.again && f.qos > 0;
    const { payload } = f.message!;
    const bytes = codec.encode({
      type: PUBLISH,
      dup,
      qos: f.qos,
      retain: f.retain,
      topic,
      id: f.id,
      payload,
    });
    this.counters.delivered[f.qos]!++;
    if (f.qos === 0) {
      this.line.send(bytes);
      if (f.number !== 0) f.box.settle(f.number, 'ok');
      return;
    }
    f.stage = 'sent';
    f.topicId = topic.kind === 'normal' ? topic.id : 0;
    f.tries = 0;
    f.bytes = codec.again(bytes);
    this.transmit(f, bytes, now);
  }

  private transmit(f: Flying, bytes: Uint8Array, now: number): void {
    this.line.send(bytes);
    f.dueAt = now + this.options.retryMs;
    this.host.hurry(f.dueAt);
  }

  private repeat(f: Flying, now: number, anew: boolean): void {
    f.tries = anew ? 0 : f.tries + 1;
    this.transmit(f, f.bytes!, now);
  }

  /** Repeats what is due, as clients do [MQTTSN12-6.13]; false: the client does not answer any more. */
  tick(now: number): boolean {
    if (!this.flowing) return true;
    const { registering, proof } = this;
    if (proof !== undefined && proof.dueAt <= now) {
      if (proof.tries++ >= this.options.retries) return false;
      this.line.send(proof.bytes);
      proof.dueAt = now + this.options.retryMs;
    }
    if (this.resuming) return true;
    if (registering !== undefined && registering.qos === 0 && !this.overdue(registering, now)) return false;
    for (const f of this.flying.values()) if (!this.overdue(f, now)) return false;
    return true;
  }

  private overdue(f: Flying, now: number): boolean {
    if (f.dueAt > now) return true;
    if (f.tries >= this.options.retries) return false;
    this.repeat(f, now, false);
    return true;
  }

  /** When `tick` has something to do, or NEVER. */
  get dueAt(): number {
    if (!this.flowing) return NEVER;
    if (this.resuming) return this.proof?.dueAt ?? NEVER;
    let at = Math.min(this.registering?.dueAt ?? NEVER, this.proof?.dueAt ?? NEVER);
    for (const f of this.flying.values()) if (f.dueAt < at) at = f.dueAt;
    return at;
  }

  /** REGACK. */
  registered(id: number, code: number, now: number): void {
    if (this.proof?.id === id) {
      this.proven(now); // whatever it thinks of the topic
      return;
    }
    const f = this.registering;
    if (f === undefined || id !== (f.qos === 0 ? 0xffff : f.id)) return; // late, or sent twice
    if (code === CONGESTION) {
      f.dueAt = now + this.options.waitMs;
      return;
    }
    this.registering = undefined;
    if (code === ACCEPTED) {
      this.publish(f, { kind: 'normal', id: f.topicId }, now);
    } else {
      this.topics.forget(f.topicId);
      this.refused(f);
    }
    this.advance(now);
  }

  /** The next one whose topic has no id. */
  private advance(now: number): void {
    for (const f of this.flying.values()) {
      if (this.registering !== undefined) break;
      if (f.stage === 'waiting') this.dispatch(f, now);
    }
    this.refill();
  }

  /** PUBACK: QoS 1 is over; or the client refuses a message of any QoS. */
  acknowledged(id: number, topicId: number, code: number, now: number): void {
    const f = this.flying.get(id);
    if (f === undefined) {
      if (id === 0 && code === INVALID_TOPIC_ID) this.topics.forget(topicId);
      return;
    }
    if (f.stage !== 'sent') return;
    switch (code) {
      case ACCEPTED:
        if (f.qos === 1) this.finish(f, 'ok');
        break;
      case CONGESTION:
        f.dueAt = now + this.options.waitMs; // [MQTTSN12-7.2]
        return;
      case INVALID_TOPIC_ID:
        this.topics.forget(f.topicId);
        if (f.introduced) this.refused(f);
        else {
          f.introduced = true;
          this.dispatch(f, now); // [MQTTSN12-6.10]
        }
        break;
      default:
        this.refused(f);
    }
    this.advance(now);
  }

  private refused(f: Flying): void {
    this.hub.counters.drop('refused');
    this.finish(f, 'not-supported');
  }

  private finish(f: Flying, outcome: Outcome): void {
    if (f.qos > 0) this.flying.delete(f.id);
    if (f.number !== 0) f.box.settle(f.number, outcome);
  }

  /** PUBREC: the client has stored a QoS 2 message. */
  received(id: number, now: number): void {
    const f = this.flying.get(id);
    if (f !== undefined && f.qos === 2 && f.stage === 'sent') {
      f.stage = 'released';
      f.tries = 0;
      f.bytes = this.line.codec.encode({ type: PUBREL, id });
      f.dueAt = now + this.options.retryMs;
      this.host.hurry(f.dueAt);
      if (f.number !== 0) f.box.release(f.number);
    } else if (f !== undefined && f.stage !== 'released') {
      return;
    }
    // PUBREL promises that it will never be sent again: not before that is kept. What nobody knows any more is released too.
    this.answers.send({ type: PUBREL, id }, f === undefined || f.number === 0 ? 0 : this.access.due);
  }

  /** PUBCOMP. */
  completed(id: number, now: number): void {
    const f = this.flying.get(id);
    if (f === undefined || f.stage !== 'released') return;
    this.finish(f, 'ok');
    this.advance(now);
  }
}
