// A small MQTT client for the commands: one connection, no reconnecting; acknowledgements as promises.

import type { Duplex } from 'node:stream';
import type { Qos } from '../contract/message.ts';
import { decodePacket, frameEnd } from '../protocol/mqtt/decode.ts';
import { encodePacket } from '../protocol/mqtt/encode.ts';
import {
  type Acknowledgement,
  CONNACK,
  CONNECT,
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
  type SubscribeEntry,
  UNSUBACK,
  type Will,
} from '../protocol/mqtt/packet.ts';
import { EXIT, Failure } from './io.ts';
import { explain } from './reasons.ts';

export interface ClientOptions {
  readonly level: Level;
  readonly clientId: string;
  readonly clean: boolean;
  readonly keepAliveSeconds: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly will: Will | undefined;
  readonly properties: Properties;
}

export interface Outgoing {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Properties;
}

/** Messages in flight at most, whatever the broker would allow. */
const MOST_IN_FLIGHT = 1_024;

/** How long the broker may take to answer CONNECT, and to close after a goodbye. */
const CONNECT_MS = 10_000;
const CLOSE_MS = 2_000;

interface Pending {
  readonly type: number;
  resolve(answer: Packet): void;
  reject(why: Error): void;
}

export class MqttClient {
  readonly connack: Connack;
  /** Rejects when the connection ends and nobody asked for that. */
  readonly lost: Promise<never>;
  /** Called for every message, once at QoS 2. */
  onMessage: (m: Publish) => void = () => {};
  private readonly stream: Duplex;
  private readonly level: Level;
  private readonly pending = new Map<number, Pending>();
  /** QoS 2 ids that arrived and are not released. */
  private readonly unreleased = new Set<number>();
  private readonly waiting: (() => void)[] = [];
  private room: number;
  private nextId = 0;
  private rest: Uint8Array = new Uint8Array(0);
  private ended = false;
  private pinging: NodeJS.Timeout | undefined;
  private lose!: (why: Error) => void;

  private constructor(stream: Duplex, level: Level, connack: Connack, rest: Uint8Array) {
    this.stream = stream;
    this.level = level;
    this.connack = connack;
    this.room = Math.min(connack.properties.receiveMaximum ?? 65_535, MOST_IN_FLIGHT);
    this.lost = new Promise((_, reject) => {
      this.lose = reject;
    });
    this.lost.catch(() => {});
    this.rest = rest;
  }

  /** Logs in over `stream`. Rejects with a Failure that says why the broker refused. */
  static async connect(stream: Duplex, o: ClientOptions): Promise<MqttClient> {
    stream.write(
      encodePacket(
        {
          type: CONNECT,
          level: o.level,
          bridge: false,
          clean: o.clean,
          keepAlive: o.keepAliveSeconds,
          clientId: o.clientId,
          will: o.will,
          username: o.username,
          password: o.password === undefined ? undefined : new TextEncoder().encode(o.password),
          properties: o.properties,
        },
        o.level,
      ),
    );
    const { packet, rest } = await firstPacket(stream, o.level);
    if (packet.type !== CONNACK)
      throw new Failure('the broker did not answer with CONNACK: is it an MQTT broker?');
    if (packet.code !== 0) {
      stream.destroy();
      throw new Failure(
        `the broker refused the connection: ${explain(o.level, CONNACK, packet.code, packet.properties)}`,
      );
    }
    const client = new MqttClient(stream, o.level, packet, rest);
    client.run(packet.properties.serverKeepAlive ?? o.keepAliveSeconds);
    return client;
  }

  private run(keepAliveSeconds: number): void {
    this.stream.on('data', (bytes: Uint8Array) => this.receive(bytes));
    this.stream.on('error', (error) =>
      this.end(new Failure(`the connection broke: ${error.message}`, EXIT.failed, error)),
    );
    this.stream.on('close', () => this.end(new Failure('the broker closed the connection')));
    if (keepAliveSeconds > 0) {
      this.pinging = setInterval(() => this.send({ type: PINGREQ }), keepAliveSeconds * 750);
      this.pinging.unref();
    }
    if (this.rest.length > 0) queueMicrotask(() => this.receive(new Uint8Array(0)));
    this.stream.resume();
  }

  /** Resolves when it was written (QoS 0) or acknowledged; to the reason code. Waits while too many are in flight. */
  async publish(m: Outgoing): Promise<number> {
    if (m.qos === 0) {
      const packet: Publish = { type: PUBLISH, dup: false, id: 0, ...m };
      if (!this.stream.write(encodePacket(packet, this.level))) await this.drained();
      return 0;
    }
    while (this.room === 0) await new Promise<void>((go) => this.waiting.push(go));
    this.room--;
    try {
      const id = this.freeId();
      const packet: Publish = { type: PUBLISH, dup: false, id, ...m };
      const answer = (await this.ask(packet, id, m.qos === 1 ? PUBACK : PUBREC)) as Acknowledgement;
      if (m.qos === 1 || answer.code >= 0x80) return answer.code;
      await this.ask({ type: PUBREL, id, code: 0, properties: NO_PROPERTIES }, id, PUBCOMP);
      return answer.code;
    } finally {
      this.room++;
      this.waiting.shift()?.();
    }
  }

  /** Resolves to the code of each entry. */
  async subscribe(
    entries: readonly SubscribeEntry[],
    properties: Properties = NO_PROPERTIES,
  ): Promise<readonly number[]> {
    const id = this.freeId();
    const answer = await this.ask({ type: SUBSCRIBE, id, entries, properties }, id, SUBACK);
    return answer.type === SUBACK ? answer.codes : [];
  }

  /** Says goodbye and waits until all is written. */
  async close(): Promise<void> {
    if (this.ended) return;
    this.send({ type: DISCONNECT, code: 0, properties: NO_PROPERTIES });
    this.end(new Failure('the connection was closed'));
    await new Promise<void>((done) => {
      if (this.stream.closed) done();
      this.stream.once('close', done);
      setTimeout(() => this.stream.destroy(), CLOSE_MS).unref();
      this.stream.end();
      this.stream.resume();
    });
  }

  /** Drops the connection without a goodbye. */
  abort(): void {
    this.end(new Failure('the connection was dropped'));
    this.stream.destroy();
  }

  private send(packet: Packet): void {
    this.stream.write(encodePacket(packet, this.level));
  }

  private ask(packet: Packet, id: number, type: number): Promise<Packet> {
    return new Promise((resolve, reject) => {
      this.pending.set(id, { type, resolve, reject });
      this.send(packet);
    });
  }

  private drained(): Promise<void> {
    return Promise.race([new Promise<void>((done) => this.stream.once('drain', done)), this.lost]);
  }

  private freeId(): number {
    do {
      this.nextId = (this.nextId % 65_535) + 1;
    } while (this.pending.has(this.nextId));
    return this.nextId;
  }

  private receive(arrived: Uint8Array): void {
    const bytes = this.rest.length === 0 ? arrived : Buffer.concat([this.rest, arrived]);
    let at = 0;
    try {
      while (at < bytes.length && !this.ended) {
        const end = frameEnd(bytes, at, bytes.length, this.level);
        if (end === -1 || end > bytes.length) break;
        this.take(decodePacket(bytes, at, end, this.level, 'server'));
        at = end;
      }
    } catch (error) {
      this.end(new Failure(`the broker sent nonsense: ${(error as Error).message}`, EXIT.failed, error));
      this.stream.destroy();
    }
    this.rest = bytes.subarray(at);
  }

  private take(packet: Packet): void {
    switch (packet.type) {
      case PUBLISH:
        this.message(packet);
        break;
      case PUBREL:
        this.unreleased.delete(packet.id);
        this.send({ type: PUBCOMP, id: packet.id, code: 0, properties: NO_PROPERTIES });
        break;
      case PUBACK:
      case PUBREC:
      case PUBCOMP:
      case SUBACK:
      case UNSUBACK: {
        const asked = this.pending.get(packet.id);
        if (asked?.type !== packet.type) break;
        this.pending.delete(packet.id);
        asked.resolve(packet);
        break;
      }
      case DISCONNECT:
        this.end(
          new Failure(
            `the broker ended the connection: ${explain(5, DISCONNECT, packet.code, packet.properties)}`,
          ),
        );
        break;
      default: // PINGRESP, AUTH: nothing to do
    }
  }

  private message(m: Publish): void {
    if (m.qos === 2) {
      const known = this.unreleased.has(m.id);
      this.unreleased.add(m.id);
      if (!known) this.onMessage(m);
      this.send({ type: PUBREC, id: m.id, code: 0, properties: NO_PROPERTIES });
      return;
    }
    this.onMessage(m);
    if (m.qos === 1) this.send({ type: PUBACK, id: m.id, code: 0, properties: NO_PROPERTIES });
  }

  private end(why: Failure): void {
    if (this.ended) return;
    this.ended = true;
    clearInterval(this.pinging);
    for (const asked of this.pending.values()) asked.reject(why);
    this.pending.clear();
    this.lose(why);
  }
}

function firstPacket(stream: Duplex, level: Level): Promise<{ packet: Packet; rest: Uint8Array }> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const late = setTimeout(
      () => failed(new Error(`no answer to CONNECT within ${CONNECT_MS / 1_000} s`)),
      CONNECT_MS,
    );
    const settle = (act: () => void) => {
      clearTimeout(late);
      stream.pause();
      stream.off('data', receive);
      stream.off('close', closed);
      stream.off('error', failed);
      act();
    };
    const receive = (arrived: Buffer) => {
      bytes = Buffer.concat([bytes, arrived]);
      try {
        const end = frameEnd(bytes, 0, bytes.length, level);
        if (end === -1 || end > bytes.length) return;
        const packet = decodePacket(bytes, 0, end, level, 'server');
        settle(() => resolve({ packet, rest: bytes.subarray(end) }));
      } catch (error) {
        settle(() =>
          reject(new Failure('the answer was not MQTT: is it an MQTT broker?', EXIT.failed, error)),
        );
      }
    };
    const closed = () =>
      settle(() => reject(new Failure('the broker closed the connection before it answered CONNECT')));
    const failed = (error: Error) =>
      settle(() => reject(new Failure(`the connection broke: ${error.message}`)));
    stream.on('data', receive);
    stream.on('close', closed);
    stream.on('error', failed);
  });
}
