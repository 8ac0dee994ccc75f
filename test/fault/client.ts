// A correct MQTT client that outlives its connections: packet ids, DUP and exactly-once state belong to its session.

import { connect as connectTcp } from 'node:net';
import { NEVER, type Qos } from '../../src/contract/message.ts';
import { decodePacket, frameEnd } from '../../src/protocol/mqtt/decode.ts';
import { encodePacket } from '../../src/protocol/mqtt/encode.ts';
import {
  type Acknowledgement,
  CONNACK,
  type Connack,
  type Connect,
  DISCONNECT,
  type Level,
  NO_PROPERTIES,
  type Packet,
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
  UNSUBSCRIBE,
  type Will,
} from '../../src/protocol/mqtt/packet.ts';
import { connectPacket, publishPacket } from '../mqtt-client.ts';

export interface ClientOptions {
  readonly level: Level;
  /** Seconds that the session outlives the connection; 0: a clean session. Default: a day. */
  readonly expirySeconds?: number;
  /** MQTT 5: so many messages may be on their way to it. */
  readonly receiveMaximum?: number;
  readonly will?: (life: number) => Will;
  /** How long it thinks before it acknowledges, ms; 0: not at all. */
  readonly thinkMs?: () => number;
}

/** What the client tells about its life. */
export interface Listener {
  /** A message, once only where the protocol promises that. */
  received(p: Publish): void;
  /** The broker took a publish on itself: PUBACK, or PUBREC at QoS 2. */
  acknowledged(tag: string): void;
  /** The broker broke a promise or the protocol. */
  complain(what: string): void;
}

interface InFlight {
  readonly packet: Publish;
  readonly tag: string;
  /** It was written on some connection. */
  sent: boolean;
  /** PUBREC came: from now on PUBREL stands for it. */
  released: boolean;
}

interface Asked {
  readonly resolve: (codes: readonly number[]) => void;
  readonly reject: (why: Error) => void;
}

/** One connection, whatever carries it. */
export interface Line {
  write(octets: Uint8Array): void;
  /** Stops reading, or goes on. */
  stall(on: boolean): void;
  /** Sends what was written, then closes. */
  end(): void;
  destroy(): void;
}

/** Opens a connection. Octets that it hands over are the client's to keep; `closed` is called once. */
export type Dial = (received: (octets: Uint8Array) => void, closed: () => void) => Line;

export function tcp(port: number): Dial {
  return (received, closed) => {
    const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true });
    socket.on('data', received);
    socket.on('error', () => undefined); // 'close' follows
    socket.once('close', closed);
    return {
      write: (octets) => void socket.write(octets),
      stall: (on) => void (on ? socket.pause() : socket.resume()),
      end: () => void socket.end(),
      destroy: () => void socket.destroy(),
    };
  };
}

const DAY_SECONDS = 86_400;
const QUIET: Listener = { received: () => {}, acknowledged: () => {}, complain: () => {} };

export class SessionClient {
  readonly name: string;
  readonly level: Level;
  /** How often it was connected. */
  life = 0;
  /** The reason that the last DISCONNECT of the broker gave. */
  goodbye: number | undefined = undefined;
  /** Resolves when the connection is gone. */
  gone: Promise<void> = Promise.resolve();
  private readonly options: ClientOptions;
  private readonly listener: Listener;
  private line: Line | undefined = undefined;
  private rest: Uint8Array = new Uint8Array(0);
  /** The broker has promised to keep the session. */
  private promised = false;
  private readonly inFlight = new Map<number, InFlight>();
  /** Exactly-once messages that are stored here and not released yet. */
  private readonly stored = new Set<number>();
  private readonly asked = new Map<number, Asked>();
  private lastId = 0;
  private welcome: ((c: Connack) => void) | undefined = undefined;
  private thoughts: Packet[] = [];
  private thinking: NodeJS.Timeout | undefined = undefined;

  constructor(name: string, options: ClientOptions, listener: Listener = QUIET) {
    this.name = name;
    this.level = options.level;
    this.options = options;
    this.listener = listener;
  }

  get online(): boolean {
    return this.line !== undefined && this.welcome === undefined;
  }

  /** It has a connection, or is about to. */
  get connected(): boolean {
    return this.line !== undefined;
  }

  /** Publishes whose handshake is not over. */
  get pending(): number {
    return this.inFlight.size;
  }

  /** Connects and takes the session up again. Rejects when the connection ends before CONNACK. */
  connect(to: number | Dial): Promise<Connack> {
    return new Promise((resolve, reject) => {
      this.rest = new Uint8Array(0);
      this.goodbye = undefined;
      this.welcome = (c) => {
        this.welcome = undefined;
        this.welcomed(c);
        resolve(c);
      };
      this.gone = new Promise((done) => {
        const dial = typeof to === 'number' ? tcp(to) : to;
        const line = dial(
          (octets) => {
            if (this.line === line) this.read(octets);
          },
          () => {
            if (this.line === line) this.lost();
            reject(new Error(`${this.name}: the connection ended before CONNACK`));
            done();
          },
        );
        this.line = line;
        line.write(encodePacket(this.hello(), this.level));
      });
    });
  }

  private hello(): Connect {
    const { level, options } = this;
    const expiry = options.expirySeconds ?? DAY_SECONDS;
    const properties =
      level === 5
        ? {
            sessionExpiryInterval: expiry,
            ...(options.receiveMaximum === undefined ? {} : { receiveMaximum: options.receiveMaximum }),
          }
        : {};
    const will = options.will?.(this.life + 1);
    return connectPacket(level, this.name, { clean: expiry === 0, keepAlive: 0, will, properties });
  }

  private welcomed(c: Connack): void {
    if (c.code !== 0) {
      this.listener.complain(`${this.name}: CONNACK ${c.code}`);
      return;
    }
    this.life++;
    const present = this.level === 3 ? this.promised : c.sessionPresent; // MQTT 3.1 does not say
    if (this.promised && !present)
      this.listener.complain(`${this.name}: the session is gone in life ${this.life}`);
    if (!present) this.stored.clear();
    this.promised = (this.options.expirySeconds ?? DAY_SECONDS) > 0;
    // What is not acknowledged comes again, in its order. [MQTT5-4.4.0-1] [MQTT311-4.4.0-1]
    for (const [id, one] of this.inFlight) this.sendOne(id, one, present);
  }

  private sendOne(id: number, one: InFlight, known: boolean): void {
    if (one.released) {
      this.send({ type: PUBREL, id, code: 0, properties: {} });
      return;
    }
    this.send({ ...one.packet, dup: one.sent && known });
    one.sent = true;
  }

  /** Sends a message, or keeps it for the next connection. `tag` names it to the listener. */
  publish(topic: string, payload: string, qos: 1 | 2, tag: string, retain = false): void {
    const id = this.freeId();
    const one = {
      packet: publishPacket(topic, payload, { qos, id, retain }),
      tag,
      sent: false,
      released: false,
    };
    this.inFlight.set(id, one);
    if (this.online) this.sendOne(id, one, true);
  }

  /** Resolves to the granted codes. */
  subscribe(
    filter: string,
    qos: Qos,
    options: Partial<SubscribeEntry> = {},
    properties: Properties = NO_PROPERTIES,
  ): Promise<readonly number[]> {
    const plain = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const entry = { filter, qos, ...plain, ...options };
    return this.ask((id) => ({ type: SUBSCRIBE, id, entries: [entry], properties }));
  }

  unsubscribe(filter: string): Promise<readonly number[]> {
    return this.ask((id) => ({ type: UNSUBSCRIBE, id, filters: [filter], properties: {} }));
  }

  private ask(packet: (id: number) => Packet): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      const id = this.freeId();
      this.asked.set(id, { resolve, reject });
      this.send(packet(id));
    });
  }

  private freeId(): number {
    for (;;) {
      this.lastId = (this.lastId % 65_535) + 1;
      if (!this.inFlight.has(this.lastId) && !this.asked.has(this.lastId)) return this.lastId;
    }
  }

  send(p: Packet): void {
    this.line?.write(encodePacket(p, this.level));
  }

  /** Octets as they are. */
  write(octets: Uint8Array): void {
    this.line?.write(octets);
  }

  /** Stops reading, or goes on. */
  stall(on: boolean): void {
    this.line?.stall(on);
  }

  /** Leaves in order; the will is dropped. */
  async leave(): Promise<void> {
    this.send({ type: DISCONNECT, code: 0, properties: {} });
    this.line?.end();
    await this.gone;
  }

  /** The network fails. */
  async cut(): Promise<void> {
    this.line?.destroy();
    await this.gone;
  }

  private lost(): void {
    this.line = undefined;
    this.welcome = undefined;
    clearTimeout(this.thinking);
    this.thinking = undefined;
    this.thoughts = [];
    const why = new Error(`${this.name}: the connection ended`);
    for (const { reject } of this.asked.values()) reject(why);
    this.asked.clear();
  }

  private read(chunk: Uint8Array): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    while (at < bytes.length) {
      const stop = frameEnd(bytes, at, bytes.length);
      if (stop < 0 || stop > bytes.length) break;
      this.packet(decodePacket(bytes, at, stop, this.level, 'server'));
      at = stop;
    }
    this.rest = bytes.subarray(at);
  }

  private packet(p: Packet): void {
    switch (p.type) {
      case CONNACK:
        this.welcome?.(p);
        return;
      case PUBLISH:
        this.published(p);
        return;
      case PUBREL:
        this.stored.delete(p.id);
        this.reply({ type: PUBCOMP, id: p.id, code: 0, properties: {} });
        return;
      case PUBACK:
      case PUBREC:
      case PUBCOMP:
        this.answered(p);
        return;
      case SUBACK:
      case UNSUBACK:
        this.asked.get(p.id)?.resolve(p.codes);
        this.asked.delete(p.id);
        return;
      case DISCONNECT:
        this.goodbye = p.code;
    }
  }

  private published(p: Publish): void {
    if (p.qos < 2 || !this.stored.has(p.id)) this.listener.received(p);
    if (p.qos === 2) this.stored.add(p.id);
    if (p.qos > 0) this.reply({ type: p.qos === 1 ? PUBACK : PUBREC, id: p.id, code: 0, properties: {} });
  }

  /** Answers, now or after a thought; always in order. [MQTT5-4.6.0-2] */
  private reply(p: Acknowledgement): void {
    const { thinkMs } = this.options;
    if (thinkMs === undefined) {
      this.send(p);
      return;
    }
    this.thoughts.push(p);
    this.thinking ??= setTimeout(() => {
      this.thinking = undefined;
      for (const thought of this.thoughts.splice(0)) this.send(thought);
    }, thinkMs());
  }

  private answered(p: Acknowledgement): void {
    const one = this.inFlight.get(p.id);
    if (one === undefined || (p.type === PUBACK) !== (one.packet.qos === 1)) {
      this.listener.complain(`${this.name}: packet ${p.id} is answered by ${p.type}, and is not in flight`);
      return;
    }
    // 0x92: the broker, which took it, knows the id no more: it is over. [MQTT5-4.3.3-12]
    if (p.code >= 0x80 && !(p.type === PUBCOMP && p.code === 0x92)) {
      this.listener.complain(`${this.name}: ${one.tag} is refused with 0x${p.code.toString(16)}`);
    } else if (!one.released) {
      this.listener.acknowledged(one.tag);
    }
    if (p.type === PUBREC && p.code < 0x80) {
      one.released = true;
      this.send({ type: PUBREL, id: p.id, code: 0, properties: {} });
    } else {
      this.inFlight.delete(p.id);
    }
  }
}

/** As a Promise, or `undefined` after `ms`: for what may never come. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  if (ms === NEVER) return promise;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
