// What one client publishes: frames by the fast lane where they may, as Messages where they must, each answered in order.

import type { Access, Hub, ProtocolCounters } from '../../contract/hub.ts';
import type { Mailbox } from '../../contract/mailbox.ts';
import type { Origin, Qos } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import type { Route } from '../../contract/run.ts';
import { isTopicName } from '../../contract/topic.ts';
import type { Wire } from '../../contract/wire.ts';
import { IncomingAliases } from './alias.ts';
import type { Answers } from './answers.ts';
import type { Terms } from './connect.ts';
import { decodePacket } from './decode.ts';
import type { Outflow } from './deliver.ts';
import { LANE_FRAME_BYTES, type Lanes, RUN_BYTES, RUN_FRAMES, sameOctets } from './lane.ts';
import { DISCONNECT_5, messageOf, PUBLISH_3, PUBLISH_5, SENTENCE } from './map.ts';
import type { MqttOptions } from './options.ts';
import { PUBACK, PUBCOMP, PUBREC, type Publish } from './packet.ts';
import { isUtf8 } from './text.ts';

export class Inflow {
  private readonly wire: Wire;
  private readonly hub: Hub;
  private readonly access: Access;
  private readonly box: Mailbox;
  private readonly answers: Answers;
  private readonly outflow: Outflow;
  private readonly lanes: Lanes;
  private readonly terms: Terms;
  private readonly options: MqttOptions;
  private readonly counters: ProtocolCounters;
  private readonly origin: Origin;
  private readonly laneFrameBytes: number;
  /** QoS 2 publishes of this connection that were not released yet. */
  private unreleased = 0;
  private aliases: IncomingAliases | undefined = undefined;

  constructor(
    wire: Wire,
    hub: Hub,
    access: Access,
    box: Mailbox,
    answers: Answers,
    outflow: Outflow,
    lanes: Lanes,
    terms: Terms,
    options: MqttOptions,
    origin: Origin,
  ) {
    this.wire = wire;
    this.hub = hub;
    this.access = access;
    this.box = box;
    this.answers = answers;
    this.outflow = outflow;
    this.lanes = lanes;
    this.terms = terms;
    this.options = options;
    this.counters = hub.counters.of('mqtt');
    this.origin = origin;
    // 0: no frame is short enough.
    this.laneFrameBytes = options.lane ? Math.min(LANE_FRAME_BYTES, wire.limits.maxPacketBytes) : 0;
  }

  /**
   * Reads the frames at `bytes[from..end)` that need no packet object: plain PUBLISHes, and acknowledgements without a reason code. Returns the
   * offset of the first that does, or that is not all there.
   */
  read(bytes: Uint8Array, from: number, end: number, now: number): number {
    let at = from;
    while (at < end) {
      const first = bytes[at]!;
      if (first === 0x30 || first === 0x32 || first === 0x34) {
        const next = this.relay(bytes, at, end, now);
        if (next === at) return at;
        at = next;
        continue;
      }
      if (end - at < 4 || bytes[at + 1] !== 2) return at;
      const id = (bytes[at + 2]! << 8) | bytes[at + 3]!;
      if (id === 0) return at;
      if (first === 0x40) this.outflow.acknowledged(id, 0);
      else if (first === 0x62) this.released(id);
      else if (first === 0x50) this.outflow.received(id, 0);
      else if (first === 0x70) this.outflow.completed(id);
      else return at;
      at += 4;
    }
    return at;
  }

  /**
   * Gathers neighbouring PUBLISHes of one kind with one set of receivers, relays them, answers them; returns where they end. One long
   * function, because each call in its loop would be paid per message: at QoS 0 the lane takes 30 to 60 ns a message, tower and hub
   * together, where a Message of its own takes some 2 µs.
   */
  private relay(bytes: Uint8Array, from: number, end: number, now: number): number {
    const head = bytes[from]!;
    const qos = ((head >> 1) & 3) as Qos;
    const { access } = this;
    const { run } = this.lanes;
    const { ends, idAt } = run;
    const level5 = this.terms.lane === 5;
    const most = this.framesAllowed(qos);
    const topicBytesAllowed = this.hub.limits.topicBytes;
    const { inbound } = this.box;
    const inUse = qos === 2 || (qos === 1 && level5 && inbound.size > 0);
    let route: Route | undefined;
    let topicAt = 0;
    let topicBytes = -1;
    let propertiesAt = -1;
    let longest = 0;
    let count = 0;
    let at = from;
    // 0x32 | length | topic | id | 00, in 5 | payload; the shortest is 5 octets, and one more of length keeps reads inside.
    while (count < most && at + 6 <= end && bytes[at] === head) {
      let p = at + 1;
      let length = bytes[p++]!;
      if (length >= 0x80) {
        const second = bytes[p++]!;
        length = (length & 0x7f) | ((second & 0x7f) << 7);
        if (second >= 0x80) {
          const third = bytes[p++]!;
          length |= third << 14;
          if (third === 0 || third >= 0x80) break; // not minimal, or too long for here
        } else if (second === 0) break; // not minimal [MQTT5-1.5.5-1]
      }
      const stop = p + length;
      const frameBytes = stop - at;
      if (stop > end || frameBytes > this.laneFrameBytes || (count > 0 && stop - from > RUN_BYTES)) break;
      if (length < 3) break;
      const topicLength = (bytes[p]! << 8) | bytes[p + 1]!;
      const name = p + 2;
      let body = name + topicLength;
      if (topicLength === 0 || topicLength > topicBytesAllowed) break;
      if (body + (qos === 0 ? 0 : 2) + (level5 ? 1 : 0) > stop) break;
      if (topicLength !== topicBytes || !sameOctets(bytes, topicAt, name, topicLength)) {
        const next = access.route(bytes, name, body);
        if (next === undefined) break;
        if (route === undefined) {
          if (!access.open(next)) break;
          route = next;
        } else if (next !== route && !(access.open(next) && access.same(route, next))) break;
        topicAt = name;
        topicBytes = topicLength;
      }
      const idHere = body;
      if (qos !== 0) body += 2;
      if (level5 && bytes[body] !== 0) {
        if (!this.plain(bytes, at, body, stop, propertiesAt)) break;
        propertiesAt = body;
      }
      if (qos !== 0) {
        const id = (bytes[idHere]! << 8) | bytes[idHere + 1]!;
        if (id === 0) break; // [MQTT5-2.2.1-3]
        if (inUse && inbound.has(id)) break;
        if (qos === 2) inbound.add(id);
        idAt[count] = idHere - from;
      }
      if (frameBytes > longest) longest = frameBytes;
      ends[count++] = stop - from;
      at = stop;
    }
    if (count === 0) return from;
    run.lane = this.terms.lane;
    run.qos = qos;
    run.bytes = bytes;
    run.start = from;
    run.end = at;
    run.count = count;
    run.longest = longest;
    run.takers = 0;
    run.first = -1;
    run.shared = undefined;
    this.relayRun(route!, now);
    return at;
  }

  /** How many frames of a run the client's quota allows; the one beyond it goes the long way, which says so. */
  private framesAllowed(qos: Qos): number {
    if (qos === 0) return RUN_FRAMES;
    return Math.min(RUN_FRAMES, this.terms.receiveMaximum - this.unanswered);
  }

  /** Publishes that the client may count as unanswered: not acknowledged, not completed, not even released. */
  private get unanswered(): number {
    return this.answers.closing + this.unreleased;
  }

  /**
   * Whether the properties at `bytes[at..)` may go out as they came in: well-formed, no alias, no expiry, nothing to check. `known` is where
   * the last such properties of this run stand, or -1: neighbours mostly have the same.
   */
  private plain(bytes: Uint8Array, frame: number, at: number, stop: number, known: number): boolean {
    const length = bytes[at]!;
    if (length >= 0x80 || at + 1 + length > stop) return false;
    if (known >= 0 && sameOctets(bytes, known, at, length + 1)) return true;
    const p = wellFormed(bytes, frame, stop);
    if (p === undefined) return false;
    const { topicAlias, messageExpiryInterval, payloadFormatIndicator } = p.properties;
    if (topicAlias !== undefined || messageExpiryInterval !== undefined) return false;
    return !(this.options.checkPayloadFormat && payloadFormatIndicator === 1);
  }

  private relayRun(route: Route, now: number): void {
    const { lanes, access } = this;
    const { run } = lanes;
    lanes.begin(this.terms.level, this.origin, now);
    const outcome = access.relay(route, run, lanes.messageAt);
    run.copy.release();
    run.shared = undefined;
    const { qos, count } = run;
    this.counters.received[qos]! += count;
    if (qos === 0) return;
    const code = this.answerTo(outcome);
    if (qos === 2) {
      if (code >= 0x80) this.takeBack();
      else this.unreleased += count;
    }
    this.answerRun(qos === 1 ? PUBACK : PUBREC, code, access.due);
  }

  /** A run that was refused: its ids are free again. */
  private takeBack(): void {
    const { run } = this.lanes;
    for (let i = 0; i < run.count; i++) {
      const at = run.start + run.idAt[i]!;
      this.box.inbound.delete((run.bytes[at]! << 8) | run.bytes[at + 1]!);
    }
  }

  private answerRun(type: typeof PUBACK | typeof PUBREC, code: number, ticket: number): void {
    const { run } = this.lanes;
    const { bytes, idAt, start, count } = run;
    if (code !== 0 || !this.answers.free(ticket)) {
      for (let i = 0; i < count; i++) {
        const at = start + idAt[i]!;
        this.answers.acknowledge(type, (bytes[at]! << 8) | bytes[at + 1]!, code, ticket);
      }
      return;
    }
    let out = this.wire.reserve(4 * count);
    const target = this.wire.bytes;
    for (let i = 0; i < count; i++) {
      const at = start + idAt[i]!;
      target[out++] = type << 4;
      target[out++] = 2;
      target[out++] = bytes[at]!;
      target[out++] = bytes[at + 1]!;
    }
  }

  /** The long way. `owned`: the octets that the packet views are its own. */
  publish(p: Publish, now: number, owned: boolean): void {
    const topic = this.topicOf(p);
    if (p.qos === 2 && this.box.inbound.has(p.id)) {
      this.answers.acknowledge(PUBREC, p.id, 0, this.access.due); // again, and not published again [MQTT5-4.3.3-10]
      return;
    }
    if (p.qos === 1 && this.terms.level5 && this.box.inbound.has(p.id)) {
      this.answers.acknowledge(PUBACK, p.id, 0x91, 0); // of a QoS 2 publish that is not released
      return;
    }
    if (p.qos > 0 && this.unanswered >= this.terms.receiveMaximum)
      throw new ProtocolError(
        'MQTT5-3.3.4-7',
        'more publishes are unanswered than the receive maximum',
        0x93,
      );
    this.counters.received[p.qos]!++;
    const outcome = this.tryPublish(p, topic, now, owned);
    if (p.qos === 0) {
      if (outcome === 'payload-invalid' || outcome === 'topic-invalid') throw refusedQos0(outcome);
      return;
    }
    const code = this.answerTo(outcome);
    if (p.qos === 1) {
      this.answers.acknowledge(PUBACK, p.id, code, this.access.due);
    } else {
      if (code < 0x80) {
        this.box.inbound.add(p.id);
        this.unreleased++;
      }
      this.answers.acknowledge(PUBREC, p.id, code, this.access.due);
    }
  }

  private topicOf(p: Publish): string {
    const alias = p.properties.topicAlias;
    if (alias === undefined) return p.topic;
    this.aliases ??= new IncomingAliases(this.terms.incomingAliasMaximum);
    return this.aliases.resolve(alias, p.topic);
  }

  private tryPublish(p: Publish, topic: string, now: number, owned: boolean): Outcome {
    if (
      this.options.checkPayloadFormat &&
      p.properties.payloadFormatIndicator === 1 &&
      !isUtf8(p.payload, 0, p.payload.length)
    )
      return 'payload-invalid';
    if (!isTopicName(topic, this.hub.limits)) return 'topic-invalid';
    const outcome = this.access.publish(messageOf(p, topic, this.origin, now, owned));
    if (outcome === 'not-authorized') this.hub.counters.drop('not-authorized');
    return outcome;
  }

  /** The reason code for what became of a publish. 3.x has none: there the connection ends where it must not be acknowledged. */
  private answerTo(outcome: Outcome): number {
    if (this.terms.level5) return PUBLISH_5[outcome];
    if (PUBLISH_3[outcome] === 'close')
      throw new ProtocolError(
        'MQTT311-3.3.5-2',
        `the message cannot be taken: ${outcome}`,
        PUBLISH_5[outcome],
      );
    return 0;
  }

  /** PUBREL: the client will not send this id again; the message was published when it came [MQTT5-4.3.3-11,12]. */
  released(id: number): void {
    const known = this.box.inbound.has(id);
    if (known) {
      this.box.inbound.delete(id);
      if (this.unreleased > 0) this.unreleased--;
    }
    // In a resumed session an unknown id is a PUBREL repeated because its PUBCOMP got lost: no error [MQTT5-3.7.2.1], and MQTT.js
    // reports 0x92 as a publish that failed, so that its application would send a second one.
    this.answers.acknowledge(PUBCOMP, id, known || this.box.resumed ? 0 : 0x92, this.access.due);
  }
}

/** There is no answer to QoS 0 but the end of the connection. */
function refusedQos0(why: 'payload-invalid' | 'topic-invalid'): ProtocolError {
  const clause = why === 'payload-invalid' ? 'MQTT5-3.3.2-4' : 'MQTT5-3.3.2-2';
  return new ProtocolError(clause, SENTENCE[why], DISCONNECT_5[why]);
}

/** Undefined when the packet is malformed: the long way says so, once what came before it is relayed. */
function wellFormed(bytes: Uint8Array, start: number, end: number): Publish | undefined {
  try {
    return decodePacket(bytes, start, end, 5, 'client') as Publish;
  } catch (why) {
    if (why instanceof ProtocolError) return undefined;
    throw why;
  }
}
