// MQTT 5 and 3.1.1 over WebSocket, with the hub's own codec.

import { decodePacket, frameEnd } from '../../../src/protocol/mqtt/decode.ts';
import { encodePacket } from '../../../src/protocol/mqtt/encode.ts';
import {
  CONNACK,
  CONNECT,
  DISCONNECT,
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
  UNSUBACK,
  UNSUBSCRIBE,
  type Will,
} from '../../../src/protocol/mqtt/packet.ts';
import {
  type Link,
  type LinkEvents,
  type LinkOptions,
  type Outgoing,
  type Raw,
  type SubscribeOptions,
  type WillOptions,
  webSocketUrl,
} from './link.ts';
import { reasonText } from './reasons.ts';
import { Questions } from './sending.ts';
import { whyNot } from './why.ts';

const utf8 = new TextEncoder();
const text = new TextDecoder();

export class MqttLink implements Link {
  private readonly socket: WebSocket;
  private readonly level: 4 | 5;
  private readonly o: LinkOptions;
  private readonly events: LinkEvents;
  private rest = new Uint8Array(0);
  private readonly questions = new Questions<readonly number[]>();
  private readonly received = new Set<number>();
  private readonly aliases = new Map<number, string>();
  private pinging = 0;
  private opened = false;
  private ended = false;
  private said: string | undefined;
  private final = false;

  constructor(o: LinkOptions, path: string, events: LinkEvents) {
    this.o = o;
    this.level = o.dialect === 'mqtt5' ? 5 : 4;
    this.events = events;
    this.socket = new WebSocket(webSocketUrl(path), 'mqtt');
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => {
      this.opened = true;
      this.send(connectPacket(o, this.level));
    };
    this.socket.onmessage = ({ data }) => this.receive(new Uint8Array(data as ArrayBuffer));
    this.socket.onclose = async ({ reason }) => {
      this.said ??= reason || (this.opened ? 'the connection was lost' : await whyNot());
      this.over(this.said);
    };
  }

  private send(p: Packet): Raw {
    const packet = encodePacket(p, this.level).slice();
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(packet);
      this.events.packet('out', packet);
    }
    return packet;
  }

  private receive(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.rest.length > 0) {
      bytes = new Uint8Array(this.rest.length + chunk.length);
      bytes.set(this.rest);
      bytes.set(chunk, this.rest.length);
    }
    let at = 0;
    try {
      for (;;) {
        const end = at < bytes.length ? frameEnd(bytes, at, bytes.length) : -1;
        if (end < 0 || end > bytes.length) break;
        const frame = bytes.slice(at, end);
        this.events.packet('in', frame);
        this.take(decodePacket(frame, 0, frame.length, this.level, 'server'), frame);
        at = end;
      }
    } catch (error) {
      this.said = `the hub broke the protocol: ${(error as Error).message}`;
      this.socket.close();
      return;
    }
    this.rest = bytes.slice(at);
  }

  private take(p: Packet, frame: Uint8Array): void {
    switch (p.type) {
      case CONNACK:
        if (p.code !== 0) {
          this.said = reasonText(p.code, this.level, p.properties.reasonString);
          this.final = true;
          this.socket.close();
          return;
        }
        this.startPinging(p.properties.serverKeepAlive ?? this.o.keepAliveSeconds);
        this.events.up(p.properties.assignedClientIdentifier ?? this.o.clientId, p.sessionPresent);
        return;
      case PUBLISH:
        this.arrived(p, frame);
        return;
      case PUBREL:
        this.received.delete(p.id);
        this.acknowledge(PUBCOMP, p.id);
        return;
      case PUBREC:
        if (p.code >= 0x80) this.settle(p.id, [p.code]);
        else this.acknowledge(PUBREL, p.id);
        return;
      case PUBACK:
      case PUBCOMP:
        this.settle(p.id, [p.code]);
        return;
      case SUBACK:
      case UNSUBACK:
        this.settle(p.id, p.codes);
        return;
      case DISCONNECT:
        this.said = `the hub said goodbye: ${reasonText(p.code, 5, p.properties.reasonString)}`;
        // Taken over by a client of the same id: to come back would start a quarrel.
        this.final = p.code === 0x8e;
        return;
    }
  }

  private arrived(p: Publish, frame: Uint8Array): void {
    if (p.qos === 1) this.acknowledge(PUBACK, p.id);
    if (p.qos === 2) {
      this.acknowledge(PUBREC, p.id);
      if (this.received.has(p.id)) return;
      this.received.add(p.id);
    }
    const alias = p.properties.topicAlias;
    if (alias !== undefined && p.topic !== '') this.aliases.set(alias, p.topic);
    this.events.message({
      topic: p.topic === '' && alias !== undefined ? (this.aliases.get(alias) ?? '') : p.topic,
      payload: p.payload,
      qos: p.qos,
      retain: p.retain,
      properties: namedProperties(p.properties),
      contentType: p.properties.contentType,
      raw: frame,
    });
  }

  private acknowledge(
    type: typeof PUBACK | typeof PUBREC | typeof PUBREL | typeof PUBCOMP,
    id: number,
  ): void {
    this.send({ type, id, code: 0, properties: NO_PROPERTIES });
  }

  private startPinging(seconds: number): void {
    if (seconds > 0) this.pinging = window.setInterval(() => this.send({ type: PINGREQ }), seconds * 750);
  }

  private ask(make: (id: number) => Packet): Promise<readonly number[]> {
    return this.questions.ask((id) => this.send(make(id)));
  }

  private settle(id: number, codes: readonly number[]): void {
    const waiting = this.questions.take(id);
    const bad = codes.find((code) => code >= 0x80);
    if (bad === undefined) waiting?.resolve(codes);
    else
      waiting?.reject(
        new Error(
          this.level === 5
            ? reasonText(bad, 5, undefined)
            : 'refused: MQTT 3.1.1 cannot say why; mostly a rule of the hub does not allow it',
        ),
      );
  }

  async subscribe(filter: string, o: SubscribeOptions): Promise<number> {
    const { qos, noLocal, retainAsPublished, retainHandling, identifier } = o;
    const five = this.level === 5;
    const codes = await this.ask((id) => ({
      type: SUBSCRIBE,
      id,
      entries: [{ filter, qos, noLocal: noLocal && five, retainAsPublished, retainHandling }],
      properties: five && identifier > 0 ? { subscriptionIdentifier: [identifier] } : NO_PROPERTIES,
    }));
    return codes[0] ?? qos;
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.ask((id) => ({ type: UNSUBSCRIBE, id, filters: [filter], properties: NO_PROPERTIES }));
  }

  publish(m: Outgoing): { raw: Raw; taken: Promise<void> } {
    const { topic, payload, qos, retain } = m;
    const properties = this.level === 4 ? NO_PROPERTIES : messageProperties(m);
    const packet = (id: number): Packet => ({
      type: PUBLISH,
      dup: false,
      qos,
      retain,
      topic,
      id,
      properties,
      payload,
    });
    if (qos === 0) return { raw: this.send(packet(0)), taken: Promise.resolve() };
    let raw: Raw = '';
    const taken = this.questions.ask((id) => {
      raw = this.send(packet(id));
    });
    return { raw, taken: taken.then(() => undefined) };
  }

  close(): void {
    this.ended = true;
    this.send({ type: DISCONNECT, code: 0, properties: NO_PROPERTIES });
    this.socket.close();
    this.over('');
  }

  private over(why: string): void {
    clearInterval(this.pinging);
    this.questions.abandon();
    if (!this.ended) this.events.down(why, !this.final);
    this.ended = true;
  }
}

function connectPacket(o: LinkOptions, level: 4 | 5): Packet {
  const five = level === 5;
  return {
    type: CONNECT,
    level,
    bridge: false,
    clean: o.clean,
    keepAlive: o.keepAliveSeconds,
    clientId: o.clientId,
    will: o.will && willOf(o.will, five),
    username: o.username === '' ? undefined : o.username,
    password: o.password === '' ? undefined : utf8.encode(o.password),
    properties: five
      ? {
          ...(o.expirySeconds > 0 && { sessionExpiryInterval: o.expirySeconds }),
          ...(o.receiveMaximum > 0 && { receiveMaximum: o.receiveMaximum }),
          ...(o.maximumPacketBytes > 0 && { maximumPacketSize: o.maximumPacketBytes }),
          ...(o.topicAliasMaximum > 0 && { topicAliasMaximum: o.topicAliasMaximum }),
          ...(o.user.length > 0 && { userProperty: o.user }),
        }
      : NO_PROPERTIES,
  };
}

function willOf(w: WillOptions, five: boolean): Will {
  const { topic, qos, retain } = w;
  const properties = five
    ? { ...messageProperties(w), ...(w.delaySeconds > 0 && { willDelayInterval: w.delaySeconds }) }
    : NO_PROPERTIES;
  return { topic, payload: utf8.encode(w.payload), qos, retain, properties };
}

function messageProperties(m: Omit<Outgoing, 'payload' | 'text'> & { readonly text?: boolean }): Properties {
  return {
    ...(m.text === true && { payloadFormatIndicator: 1 as const }),
    ...(m.contentType !== '' && { contentType: m.contentType }),
    ...(m.responseTopic !== '' && { responseTopic: m.responseTopic }),
    ...(m.correlation !== '' && { correlationData: utf8.encode(m.correlation) }),
    ...(m.expirySeconds > 0 && { messageExpiryInterval: m.expirySeconds }),
    ...(m.user.length > 0 && { userProperty: m.user }),
  };
}

function namedProperties(p: Properties): [string, string][] {
  const named: [string, string][] = [];
  for (const [name, value] of Object.entries(p)) {
    if (name === 'userProperty')
      for (const [key, said] of p.userProperty!) named.push([`user: ${key}`, said]);
    else named.push([words(name), value instanceof Uint8Array ? text.decode(value) : String(value)]);
  }
  return named;
}

/** `contentType` → `content type` */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`);
}
