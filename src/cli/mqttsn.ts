// `waymeet pub` and `sub` over MQTT-SN: `mqttsn://host/room/heat`.

import { type ClientWire, dialUdp } from '../client/wire.ts';
import type { Qos } from '../contract/message.ts';
import { ProtocolError } from '../contract/outcome.ts';
import { PUBLISH as MQTT_PUBLISH, type Publish as MqttPublish } from '../protocol/mqtt/packet.ts';
import { decodeSn } from '../protocol/mqttsn/decode.ts';
import { again, encodeSn, publishBytes } from '../protocol/mqttsn/encode.ts';
import {
  ACCEPTED,
  CONNACK,
  CONNECT,
  DISCONNECT,
  INVALID_TOPIC_ID,
  PINGREQ,
  PROTOCOL_ID,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Publish,
  REGACK,
  REGISTER,
  type SnPacket,
  SUBACK,
  SUBSCRIBE,
} from '../protocol/mqttsn/packet.ts';
import type { ConnectionFlags } from './connection.ts';
import { shown } from './dial.ts';
import { EXIT, Failure } from './io.ts';
import type { PubFlags } from './pub.ts';
import type { SubFlags } from './sub.ts';

const USUAL_PORT = 1_884;
const LARGEST = 65_507;
/** T_RETRY and N_RETRY, shorter than a device's: somebody waits in front of the terminal. */
const RETRY_MS = 3_000;
const RETRIES = 3;
const REASONS = ['', 'congestion', 'invalid topic id', 'not supported'];

/** Whether a URL is MQTT-SN's. */
export function isMqttSn(url: string | undefined): url is string {
  return url !== undefined && /^mqttsns?:/.test(url);
}

/** The topic that stands in the URL, if any. */
function topicOf(flags: ConnectionFlags): string | undefined {
  const { pathname } = new URL(flags.url!);
  return pathname.length < 2 ? undefined : decodeURIComponent(pathname.slice(1));
}

/** A question that is repeated until its answer comes. */
interface Asked {
  fits(answer: SnPacket): boolean;
  resolve(answer: SnPacket): void;
}

class SnConnection {
  readonly lost: Promise<never>;
  onMessage: (m: MqttPublish) => void = () => {};
  private readonly wire: ClientWire;
  private readonly url: URL;
  private readonly topics = new Map<number, string>();
  private readonly ids = new Map<string, number>();
  /** QoS 2 ids that arrived and are not released. */
  private readonly unreleased = new Set<number>();
  private readonly asked = new Set<Asked>();
  private fail: (why: Error) => void = () => {};
  private pinging: NodeJS.Timeout | undefined;
  private nextId = 0;

  private constructor(wire: ClientWire, url: URL) {
    this.wire = wire;
    this.url = url;
    this.lost = new Promise((_resolve, reject) => {
      this.fail = reject;
    });
    this.lost.catch(() => {});
    wire.peer = {
      receive: (bytes, start, end) => this.receive(bytes, start, end),
      drained() {},
      wake() {},
      broken() {},
      lost() {},
    };
  }

  static async open(flags: ConnectionFlags): Promise<SnConnection> {
    const url = new URL(flags.url!);
    if (url.protocol !== 'mqttsn:')
      throw new Failure(`'${url.protocol}' is no way to a gateway here: write mqttsn`, EXIT.usage);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const wire = await dialUdp(host, Number(url.port) || USUAL_PORT).catch((error: unknown) => {
      throw new Failure(`cannot reach ${shown(url)}: the host name is not known`, EXIT.failed, error);
    });
    const connection = new SnConnection(wire, url);
    const clientId = flags.id ?? `${flags.idPrefix ?? 'waymeet-'}${process.pid}`;
    const clean = flags.disableCleanSession !== true;
    const connect = { type: CONNECT, will: false, clean, protocolId: PROTOCOL_ID, clientId } as const;
    try {
      const answer = await connection.ask(
        { ...connect, duration: flags.keepalive },
        (p) => p.type === CONNACK,
      );
      connection.check(answer, 'the connection');
    } catch (error) {
      wire.end();
      throw error;
    }
    if (flags.keepalive > 0) connection.ping(flags.keepalive * 750);
    return connection;
  }

  private ping(everyMs: number): void {
    this.pinging = setInterval(() => this.say({ type: PINGREQ, clientId: '' }), everyMs);
    this.pinging.unref();
  }

  private say(p: SnPacket): void {
    this.wire.write(encodeSn(p));
  }

  /** Rejects when no answer comes, however often it is asked. */
  private ask(p: SnPacket, fits: (answer: SnPacket) => boolean): Promise<SnPacket> {
    const bytes = encodeSn(p);
    this.wire.write(bytes);
    return new Promise((resolve, reject) => {
      let tries = 0;
      const timer = setInterval(() => {
        if (tries++ < RETRIES) {
          this.wire.write(p.type === PUBLISH || p.type === SUBSCRIBE ? again(bytes) : bytes);
          return;
        }
        end();
        reject(new Failure(`${shown(this.url)} does not answer`));
      }, RETRY_MS);
      const asked: Asked = {
        fits,
        resolve(answer) {
          end();
          resolve(answer);
        },
      };
      const end = (): void => {
        clearInterval(timer);
        this.asked.delete(asked);
      };
      this.asked.add(asked);
      this.lost.catch((why: Error) => {
        end();
        reject(why);
      });
    });
  }

  private check(answer: SnPacket, what: string): void {
    const code = 'code' in answer ? answer.code : ACCEPTED;
    if (code !== ACCEPTED) throw new Failure(`${what} was refused: ${REASONS[code] ?? `code ${code}`}`);
  }

  private newId(): number {
    this.nextId = (this.nextId % 0xfffe) + 1;
    return this.nextId;
  }

  private async idOf(topic: string): Promise<number> {
    const known = this.ids.get(topic);
    if (known !== undefined) return known;
    const id = this.newId();
    const answer = await this.ask(
      { type: REGISTER, topicId: 0, id, topic },
      (p) => p.type === REGACK && p.id === id,
    );
    this.check(answer, `'${topic}'`);
    const { topicId } = answer as Extract<SnPacket, { type: typeof REGACK }>;
    this.ids.set(topic, topicId);
    return topicId;
  }

  async publish(topic: string, payload: Uint8Array, qos: Qos, retain: boolean): Promise<void> {
    if (publishBytes(payload.length) > LARGEST)
      throw new Failure(`${payload.length} octets do not fit into a datagram`);
    const topicId = await this.idOf(topic);
    const id = qos === 0 ? 0 : this.newId();
    const ref = { kind: 'normal', id: topicId } as const;
    const message: Publish = { type: PUBLISH, dup: false, qos, retain, topic: ref, id, payload };
    if (qos === 0) {
      this.say(message);
      return;
    }
    const answered = (p: SnPacket) => (p.type === PUBACK || p.type === PUBREC) && p.id === id;
    const answer = await this.ask(message, answered);
    this.check(answer, `'${topic}'`);
    if (answer.type === PUBREC)
      await this.ask({ type: PUBREL, id }, (p) => p.type === PUBCOMP && p.id === id);
  }

  async subscribe(filter: string, qos: Qos): Promise<void> {
    const id = this.newId();
    const topic = { kind: 'name', name: filter } as const;
    const answer = await this.ask({ type: SUBSCRIBE, dup: false, qos, id, topic }, (p) => {
      if (p.type !== SUBACK || p.id !== id) return false;
      if (p.topicId !== 0) this.topics.set(p.topicId, filter); // before the retained message, which follows at once
      return true;
    });
    this.check(answer, `'${filter}'`);
  }

  private receive(bytes: Uint8Array, start: number, end: number): number {
    let p: SnPacket;
    try {
      p = decodeSn(bytes, start, end);
    } catch (why) {
      if (why instanceof ProtocolError) return end;
      throw why;
    }
    for (const asked of this.asked) if (asked.fits(p)) asked.resolve(p);
    this.answer(p);
    return end;
  }

  private answer(p: SnPacket): void {
    switch (p.type) {
      case REGISTER:
        this.topics.set(p.topicId, p.topic);
        this.say({ type: REGACK, topicId: p.topicId, id: p.id, code: ACCEPTED });
        return;
      case PUBLISH:
        this.heard(p);
        return;
      case PUBREL:
        this.unreleased.delete(p.id);
        this.say({ type: PUBCOMP, id: p.id });
        return;
      case DISCONNECT:
        this.fail(new Failure(`${shown(this.url)} ended the connection`));
        return;
      default:
    }
  }

  private heard(p: Publish): void {
    const { id, qos, retain } = p;
    const topic = p.topic.kind === 'short' ? p.topic.name : this.topics.get(p.topic.id);
    const topicId = p.topic.kind === 'short' ? 0 : p.topic.id;
    if (topic === undefined || p.topic.kind === 'predefined') {
      this.say({ type: PUBACK, topicId, id, code: INVALID_TOPIC_ID }); // the gateway registers it then
      return;
    }
    if (qos === 1) this.say({ type: PUBACK, topicId, id, code: ACCEPTED });
    if (qos === 2) {
      this.say({ type: PUBREC, id });
      if (this.unreleased.has(id)) return;
      this.unreleased.add(id);
    }
    const granted = qos === -1 ? 0 : qos;
    const payload = p.payload.slice();
    this.onMessage({
      type: MQTT_PUBLISH,
      topic,
      payload,
      qos: granted,
      retain,
      dup: p.dup,
      id,
      properties: {},
    });
  }

  close(): void {
    clearInterval(this.pinging);
    this.fail = () => {};
    this.say({ type: DISCONNECT, duration: 0 });
    this.wire.end();
  }
}

export async function snPub(flags: PubFlags, payloads: AsyncIterable<Uint8Array>): Promise<number> {
  const topic = flags.topic ?? topicOf(flags);
  if (topic === undefined) throw new Failure('no topic: give one with -t', EXIT.usage);
  const connection = await SnConnection.open(flags);
  try {
    for await (const payload of payloads)
      await connection.publish(topic, payload, flags.qos, flags.retain === true);
  } finally {
    connection.close();
  }
  return EXIT.fine;
}

export async function snSub(
  flags: SubFlags,
  hear: (m: MqttPublish) => boolean,
  ends: readonly Promise<number>[],
): Promise<number> {
  const fromUrl = topicOf(flags);
  const filters = flags.topic ?? (fromUrl === undefined ? [] : [fromUrl]);
  if (filters.length === 0) throw new Failure("no topic filter: give one with -t, '#' for all", EXIT.usage);
  const connection = await SnConnection.open(flags);
  try {
    const counted = new Promise<number>((done) => {
      connection.onMessage = (m) => {
        if (hear(m)) done(EXIT.fine);
      };
    });
    for (const filter of filters) await connection.subscribe(filter, flags.qos);
    return await Promise.race([counted, connection.lost, ...ends]);
  } finally {
    connection.close();
  }
}
