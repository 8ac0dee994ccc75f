// The client's side of MQTT 3.1, 3.1.1 and 5.0: one connection from CONNECT to the goodbye.

import { type Message, NEVER, type Origin, type Qos } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import type {
  Ability,
  Answer,
  Refusal,
  SessionMemory,
  Speaker,
  SpeakerEvents,
  SpeakerOptions,
  Speech,
  SubscribeHow,
  Tag,
} from '../../contract/speaker.ts';
import { MAX_TAG, saysMore } from '../../contract/speaker.ts';
import type { Wire } from '../../contract/wire.ts';
import { IncomingAliases, OutgoingAliases } from './alias.ts';
import { ABILITY_5, aliasesOf, connectOf, levelOf, openedOf } from './client-login.ts';
import { decodeFromServer, frameEnd } from './decode.ts';
import { type ClientPacket, encodeFromClient, writeAcknowledgement } from './encode.ts';
import { isPlain, OwnParts, ownFrameBytes, plainFrameBytes, writeOwn, writePlain } from './frame.ts';
import { GATHER_BYTES, LargePacket } from './large.ts';
import { codeOfRefusal, messageOf } from './map.ts';
import {
  type Acknowledgement,
  AUTH,
  type Auth,
  CONNACK,
  type Connack,
  DISCONNECT,
  type Level,
  NO_PROPERTIES,
  type Packet,
  PINGREQ,
  type Properties,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Publish,
  SUBACK,
  SUBSCRIBE,
  type Suback,
  UNSUBACK,
  UNSUBSCRIBE,
  type Unsuback,
} from './packet.ts';
import { refusalOf } from './refusal.ts';

/** Setting `version`: `5` (the default), `3.1.1` or `3.1`. */
export const mqtt: Speech = {
  name: 'mqtt',
  carrier: 'stream',
  subprotocols: ['mqtt'],
  alpn: ['mqtt'],
  ability: ABILITY_5,
  packetEnd: frameEnd,
  open: (wire, options, events) => new MqttSpeaker(wire, options, events),
};

/** Publishes in flight at most, whatever the server would allow. */
const MOST_IN_FLIGHT = 1_024;
/** Before MQTT 5 a server cannot say how many it takes: mosquitto gets stuck with more than 20 at QoS 2, its own default. */
const MOST_BEFORE_5 = 20;
const LAST_ID = 65_535;
const CONTINUE = 0x18;
/** Of a topic alias among the properties; it may take one more to write their length. */
const ALIAS_BYTES = 4;
const NOBODY = 0x10;
const PUBACK_OCTET = PUBACK << 4;

/** An exchange that waits for a packet with its id. */
interface Flight {
  /** PUBACK, PUBREC, PUBCOMP, SUBACK or UNSUBACK. */
  expects: number;
  readonly answer: (
    why: Refusal | undefined,
    answer: Suback | Acknowledgement | Unsuback | undefined,
  ) => void;
}

const LOST: Refusal = { outcome: 'unavailable', reason: 'the connection was lost', code: 0 };
const CLOSED: Refusal = { outcome: 'unavailable', reason: 'the connection was closed', code: 0 };

/**
 *     opening  CONNECT is sent, or waits for its proof. CONNACK 0: open; any other: ended
 *     open     messages pass. close(): closing; DISCONNECT, silence: ended
 *     closing  DISCONNECT is sent; lost: ended
 */
class MqttSpeaker implements Speaker {
  private readonly wire: Wire;
  private readonly options: SpeakerOptions;
  private readonly events: SpeakerEvents;
  private readonly level: Level;
  private readonly memory: SessionMemory;
  private readonly origin: Origin;
  private state: 'opening' | 'open' | 'closing' | 'ended' = 'opening';
  /** Calls that came before the login. */
  private early: (() => void)[] = [];
  private ability: Ability = ABILITY_5;
  private readonly flights = new Map<number, Flight>();
  private window = MOST_IN_FLIGHT;
  private publishing = 0;
  private lastId = LAST_ID;
  private maxPacketBytes = NEVER;
  /** What we take in one packet. */
  private readonly mostBytes: number;
  private readonly aliases: IncomingAliases;
  private outgoing: OutgoingAliases | undefined;
  /** Deliveries that wait to be settled, with their QoS. */
  private readonly unsettled = new Map<number, Qos>();
  /** Subscription identifiers, by filter and back. */
  private readonly identifiers = new Map<string, number>();
  private readonly filters = new Map<number, string>();
  private lastIdentifier = 0;
  private large: LargePacket | undefined;
  private readonly budget = { gathering: 0 };
  private lookMs = 0;
  private sent = true;
  private heard = true;
  private heardBefore = true;
  private asked = false;
  private readonly own = new OwnParts();

  constructor(wire: Wire, options: SpeakerOptions, events: SpeakerEvents) {
    this.wire = wire;
    this.options = options;
    this.events = events;
    const level = levelOf(options.settings.version);
    this.level = level ?? 5;
    this.memory = options.memory ?? forgetful();
    this.mostBytes = options.maxPacketBytes ?? NEVER;
    this.aliases = new IncomingAliases(aliasesOf(options));
    this.origin = { protocol: 'mqtt', client: '', principal: '' };
    if (level === undefined) this.refuseVersion();
    else if (level < 5 && needs5(options)) this.end(only5());
    else if (options.sasl === undefined) this.connect(undefined);
    else this.prove(undefined, (proof) => this.connect(proof));
  }

  private refuseVersion(): void {
    const { version } = this.options.settings;
    this.end({ outcome: 'not-supported', reason: `there is no MQTT '${version}'`, code: 0 });
  }

  private connect(proof: Uint8Array | undefined): void {
    this.wire.write(encodeFromClient(connectOf(this.options, this.level, proof), this.level));
  }

  private prove(challenge: Uint8Array | undefined, then: (word: Uint8Array) => void): void {
    this.options.sasl!.next(challenge?.slice()).then(
      (word) => {
        if (this.state !== 'ended') then(word);
      },
      (why: Error) => this.end({ outcome: 'bad-credentials', reason: why.message, code: 0 }),
    );
  }

  // --- what the caller asks ---

  get room(): number {
    if (this.state !== 'open' || this.wire.full) return 0;
    return this.window - this.publishing;
  }

  publish(m: Message, answer: Answer, tag?: Tag): void {
    if (this.waits(() => this.publish(m, answer, tag), answer)) return;
    if (tag?.stage === 'released') {
      this.publishing++;
      this.expect(tag.tag, PUBCOMP, (why) => this.published(answer, why, false));
      this.acknowledge(PUBREL, tag.tag);
      return;
    }
    if (m.qos === 0) {
      answer(this.write(m, 0, 0x30));
      return;
    }
    const id = tag?.tag ?? this.freeId();
    const first = 0x30 | (m.qos << 1) | (tag?.stage === 'again' ? 8 : 0);
    const refusal = this.write(m, id, first);
    if (refusal !== undefined) {
      answer(refusal);
      return;
    }
    this.publishing++;
    this.expect(id, m.qos === 1 ? PUBACK : PUBREC, (why, p) =>
      this.published(answer, why, p?.type === PUBACK && p.code === NOBODY),
    );
  }

  private published(answer: Answer, why: Refusal | undefined, unmatched: boolean): void {
    this.publishing--;
    answer(why, unmatched);
  }

  /** Returns why it cannot be written. */
  private write(m: Message, id: number, firstOctet: number): Refusal | undefined {
    const first = m.retain ? firstOctet | 1 : firstOctet;
    const five = this.level === 5;
    this.sent = true;
    if (isPlain(m, five) && (!five || m.expiresAt === NEVER) && this.outgoing === undefined) {
      if (this.maxPacketBytes !== NEVER && plainFrameBytes(m, id !== 0, five) > this.maxPacketBytes)
        return this.tooLarge();
      writePlain(this.wire, m, first, id, five);
      return undefined;
    }
    const { own } = this;
    own.expiry =
      m.expiresAt === NEVER ? 0 : Math.max(1, Math.ceil((m.expiresAt - this.options.now()) / 1_000));
    own.alias = this.outgoing?.known(m.topic) ?? 0;
    own.topicless = own.alias > 0;
    const bytes = ownFrameBytes(m, id, own);
    if (bytes > this.maxPacketBytes) return this.tooLarge();
    // Nothing is introduced by a frame that the server would not take.
    if (!own.topicless && bytes + ALIAS_BYTES <= this.maxPacketBytes)
      own.alias = this.outgoing?.introduce(m.topic) ?? 0;
    writeOwn(this.wire, m, first, id, own);
    return undefined;
  }

  /** [MQTT5-3.2.2-15] */
  private tooLarge(): Refusal {
    return { outcome: 'too-large', reason: `the server takes ${this.maxPacketBytes} octets`, code: 0x95 };
  }

  subscribe(
    filter: string,
    qos: Qos,
    answer: (granted: Qos | Refusal) => void,
    how: SubscribeHow = {},
  ): void {
    if (this.waits(() => this.subscribe(filter, qos, answer, how), answer)) return;
    const id = this.freeId();
    this.expect(id, SUBACK, (why, p) => {
      const code = p?.type === SUBACK ? p.codes[0]! : 0x80;
      answer(why ?? (code < 3 ? (code as Qos) : refusalOf(this.level, SUBACK, code, p!.properties)));
    });
    const retainHandling = how.retained === 'none' ? 2 : how.retained === 'new' ? 1 : 0;
    const { noLocal = false, retainAsPublished = false } = how;
    const entries = [{ filter, qos, noLocal, retainAsPublished, retainHandling } as const];
    this.send({ type: SUBSCRIBE, id, entries, properties: this.identify(filter, how.identifier) });
  }

  /** With an identifier every delivery says which subscriptions it comes by [MQTT5-3.3.4-3]. */
  private identify(filter: string, wanted: number | undefined): Properties {
    const { identifiers, filters } = this;
    if (this.ability.identifier !== true) return NO_PROPERTIES;
    let identifier = wanted ?? identifiers.get(filter);
    if (identifier === undefined) {
      do identifier = ++this.lastIdentifier;
      while (filters.has(identifier));
    }
    identifiers.set(filter, identifier);
    // By hand, several may have the same: then it does not tell which.
    const other = filters.get(identifier) ?? filter;
    filters.set(identifier, other === filter ? filter : '');
    return { subscriptionIdentifier: [identifier] };
  }

  unsubscribe(filter: string, answer: Answer): void {
    if (this.waits(() => this.unsubscribe(filter, answer), answer)) return;
    const id = this.freeId();
    this.expect(id, UNSUBACK, (why) => answer(why));
    this.send({ type: UNSUBSCRIBE, id, filters: [filter], properties: NO_PROPERTIES });
  }

  settle(id: number, outcome: Outcome): void {
    const qos = this.unsettled.get(id);
    // MQTT has no way to give one back: without an answer it comes again in the next connection [MQTT5-4.4.0-1].
    if (qos === undefined || outcome === 'busy' || this.state !== 'open') return;
    this.unsettled.delete(id);
    const code = this.level === 5 && outcome !== 'ok' ? codeOfRefusal(outcome) : 0;
    if (qos === 1) this.respond(PUBACK, id, code);
    else if (code >= 0x80) this.respond(PUBREC, id, code);
    else {
      this.memory.inbound.add(id);
      this.memory.kept(() => this.respond(PUBREC, id, 0));
    }
  }

  close(): void {
    if (this.state === 'closing' || this.state === 'ended') return;
    if (this.state === 'open') this.send({ type: DISCONNECT, code: 0, properties: NO_PROPERTIES });
    this.state = 'closing';
    this.refuseAll(CLOSED);
    this.wire.end();
  }

  /** Puts a call off until the login is over, or refuses it when that is no more to come. */
  private waits(call: () => void, answer: (why: Refusal) => void): boolean {
    if (this.state === 'open') return false;
    if (this.state === 'opening') this.early.push(call);
    else answer(CLOSED);
    return true;
  }

  private freeId(): number {
    do this.lastId = this.lastId < LAST_ID ? this.lastId + 1 : MAX_TAG + 1;
    while (this.flights.has(this.lastId));
    return this.lastId;
  }

  private expect(id: number, expects: number, answer: Flight['answer']): void {
    this.flights.set(id, { expects, answer });
  }

  // --- the wire ---

  private send(p: ClientPacket): void {
    this.sent = true;
    this.wire.write(encodeFromClient(p, this.level));
  }

  /** Acknowledges with success, in the short form. */
  private acknowledge(type: Acknowledgement['type'], id: number): void {
    this.sent = true;
    const at = this.wire.reserve(4);
    writeAcknowledgement(this.wire.bytes, at, type, id);
  }

  private respond(type: Acknowledgement['type'], id: number, code: number): void {
    if (this.state !== 'open') return;
    if (code === 0) this.acknowledge(type, id);
    else this.send({ type, id, code, properties: NO_PROPERTIES });
  }

  receive(bytes: Uint8Array, start: number, end: number): number {
    this.heard = true;
    let at = start;
    while (at < end && this.state !== 'ended') {
      if (this.large !== undefined) {
        at = this.gather(this.large, bytes, at, end);
        continue;
      }
      // 0x40 | 2 | packet id: what a publisher at QoS 1 gets most.
      if (bytes[at] === PUBACK_OCTET && at + 4 <= end && bytes[at + 1] === 2) {
        this.answer(PUBACK, (bytes[at + 2]! << 8) | bytes[at + 3]!, undefined, undefined);
        at += 4;
        continue;
      }
      const stop = frameEnd(bytes, at, end, this.level);
      if (stop === -1) break;
      if (stop - at > this.mostBytes)
        throw new ProtocolError('MQTT5-3.1.2-24', 'a packet larger than our Maximum Packet Size', 0x95);
      if (stop > end) {
        if (stop - at <= GATHER_BYTES) break;
        this.large = new LargePacket(stop - at, this.budget, this.wire.limits.maxPacketBytes);
        continue;
      }
      this.take(decodeFromServer(bytes, at, stop, this.level), false);
      at = stop;
    }
    return this.state === 'ended' ? end : at;
  }

  private gather(large: LargePacket, bytes: Uint8Array, start: number, end: number): number {
    const at = large.fill(bytes, start, end);
    if (!large.complete) return at;
    this.large = undefined;
    large.close();
    this.take(decodeFromServer(large.bytes, 0, large.bytes.length, this.level), true);
    return at;
  }

  private take(p: Packet, owned: boolean): void {
    if (this.state === 'opening') {
      this.greeted(p);
      return;
    }
    switch (p.type) {
      case PUBLISH:
        this.arrived(p, owned);
        return;
      case PUBREL:
        this.memory.inbound.delete(p.id);
        // Before the answer: afterwards the same id is another message's [MQTT5-4.3.3-12].
        this.memory.kept(() => this.respond(PUBCOMP, p.id, 0));
        return;
      case PUBREC:
        this.recorded(p);
        return;
      case PUBACK:
      case PUBCOMP:
        this.answer(p.type, p.id, this.refusalIn(p), p);
        return;
      case SUBACK:
        this.answer(SUBACK, p.id, undefined, p);
        return;
      case UNSUBACK:
        this.answer(UNSUBACK, p.id, this.refusalOfUnsuback(p), p);
        return;
      case DISCONNECT:
        this.end(refusalOf(5, DISCONNECT, p.code, p.properties));
        this.wire.end();
        return;
      case CONNACK:
        throw new ProtocolError('MQTT5-3.2.0-2', 'a second CONNACK', 0x82);
      case AUTH:
        throw new ProtocolError('MQTT5-3.15.0', 'AUTH was not asked for', 0x82);
      default: // PINGRESP: that something was heard is all it says
    }
  }

  private answer(
    type: number,
    id: number,
    why: Refusal | undefined,
    p: Suback | Acknowledgement | Unsuback | undefined,
  ): void {
    const flight = this.flights.get(id);
    // What answers nothing is an old answer that came twice.
    if (flight?.expects !== type) return;
    this.flights.delete(id);
    flight.answer(why, p);
  }

  private refusalIn(p: Acknowledgement): Refusal | undefined {
    return p.code < 0x80 ? undefined : refusalOf(5, p.type, p.code, p.properties);
  }

  private refusalOfUnsuback({ codes, properties }: Unsuback): Refusal | undefined {
    const code = codes[0] ?? 0;
    return code < 0x80 ? undefined : refusalOf(5, UNSUBACK, code, properties);
  }

  /** The server has the message: from now on only PUBREL may be said of it [MQTT5-4.3.3-6]. */
  private recorded(p: Acknowledgement): void {
    const flight = this.flights.get(p.id);
    if (p.code >= 0x80) {
      this.answer(PUBREC, p.id, this.refusalIn(p), p);
      return;
    }
    if (flight?.expects === PUBREC) {
      flight.expects = PUBCOMP;
      this.memory.released(p.id);
      this.memory.kept(() => this.respond(PUBREL, p.id, 0));
    } else {
      // An id that is not in use, or a repetition of what was answered: released all the same, so that the server may forget it.
      this.respond(PUBREL, p.id, flight === undefined && this.level === 5 ? 0x92 : 0);
    }
  }

  private arrived(p: Publish, owned: boolean): void {
    const alias = p.properties.topicAlias;
    const topic = alias === undefined ? p.topic : this.aliases.resolve(alias, p.topic);
    if (p.qos === 2 && this.memory.inbound.has(p.id)) {
      this.respond(PUBREC, p.id, 0);
      return;
    }
    // The same id again before it was answered: the caller has the message already.
    if (p.qos > 0 && this.unsettled.has(p.id)) return;
    if (p.qos > 0) this.unsettled.set(p.id, p.qos);
    const message = messageOf(p, topic, this.origin, this.options.now(), owned);
    const by = p.properties.subscriptionIdentifier;
    const delivery = { message, id: p.id, retained: p.retain, duplicate: p.dup };
    const filters = by?.map((identifier) => this.filters.get(identifier) ?? '');
    this.events.delivered(
      filters === undefined || filters.includes('') ? delivery : { ...delivery, filters },
    );
  }

  // --- the login ---

  private greeted(p: Packet): void {
    if (p.type === AUTH && p.code === CONTINUE && this.options.sasl !== undefined) {
      this.prove(p.properties.authenticationData, (word) => this.send(authOf(this.options, word)));
      return;
    }
    if (p.type !== CONNACK) throw new ProtocolError('MQTT5-3.2.0-1', 'the first packet is no CONNACK', 0x82);
    if (p.code !== 0) {
      this.end(refusalOf(this.level, CONNACK, p.code, p.properties));
      this.wire.end();
    } else if (this.options.sasl === undefined) this.open(p);
    else this.prove(p.properties.authenticationData, () => this.open(p));
  }

  private open(p: Connack): void {
    const opened = openedOf(this.options, this.level, p);
    this.state = 'open';
    this.ability = opened.ability;
    this.window = Math.min(opened.receiveMaximum, this.level < 5 ? MOST_BEFORE_5 : MOST_IN_FLIGHT);
    this.maxPacketBytes = opened.maxPacketBytes;
    const aliases = Math.min(opened.topicAliases, this.options.topicAliases ?? 0);
    if (aliases > 0) this.outgoing = new OutgoingAliases(aliases);
    this.lookMs = (opened.keepAliveMs * 3) / 8;
    this.look(this.options.now());
    this.events.opened(opened);
    const { early } = this;
    this.early = [];
    for (const call of early) call();
  }

  // --- time and the end ---

  drained(): void {}

  /**
   * Looks every 3/8 of the keep-alive time: when nothing was said since the last look, or nothing heard since the one before it, it asks
   * for an answer, which is there by the next look.
   */
  wake(now: number): void {
    if (this.state !== 'open') return;
    if (this.asked && !this.heard) {
      this.end({ outcome: 'idle', reason: 'the server answered no PINGREQ', code: 0 });
      this.wire.destroy();
      return;
    }
    this.asked = !this.sent || !(this.heard || this.heardBefore);
    if (this.asked) this.send({ type: PINGREQ });
    this.sent = this.asked;
    this.heardBefore = this.heard;
    this.heard = false;
    this.look(now);
  }

  private look(now: number): void {
    if (this.lookMs > 0) this.wire.wake(now + this.lookMs);
  }

  broken(why: Error): void {
    const code = why instanceof ProtocolError ? why.code : 0x80;
    if (this.level === 5 && this.state === 'open')
      this.send({ type: DISCONNECT, code: code || 0x80, properties: NO_PROPERTIES });
    this.end({ outcome: 'payload-invalid', reason: `the server broke the protocol: ${why.message}`, code });
  }

  lost(): void {
    if (this.state === 'closing') this.end(undefined);
    else
      this.end(this.state === 'opening' ? { ...LOST, reason: 'the connection ended before CONNACK' } : LOST);
  }

  private end(why: Refusal | undefined): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.refuseAll(why ?? CLOSED);
    this.events.ended(why);
  }

  private refuseAll(why: Refusal): void {
    this.large?.close();
    this.large = undefined;
    const flights = [...this.flights.values()];
    this.flights.clear();
    for (const flight of flights) flight.answer(why, undefined);
    const { early } = this;
    this.early = [];
    for (const call of early) call();
  }
}

function authOf(o: SpeakerOptions, word: Uint8Array): Auth {
  const properties = { authenticationMethod: o.sasl!.mechanism, authenticationData: word };
  return { type: AUTH, code: CONTINUE, properties };
}

/** Whether the login says what has no place before MQTT 5. */
function needs5({ sasl, user, maxPacketBytes, topicAliases, will }: SpeakerOptions): boolean {
  return (sasl ?? user ?? maxPacketBytes ?? topicAliases) !== undefined || saysMore(will);
}

function only5(): Refusal {
  return { outcome: 'not-supported', reason: 'such properties need MQTT 5', code: 0 };
}

/** What remembers nothing beyond the connection. */
function forgetful(): SessionMemory {
  return { released() {}, inbound: new Set(), kept: (then) => then() };
}
