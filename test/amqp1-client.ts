// An AMQP 1.0 client for tests in memory: it says performatives and hears performatives, with their deliveries put together.

import { readPerformative, readSasl } from '../src/protocol/amqp1/composite.ts';
import { ValueReader } from '../src/protocol/amqp1/decode.ts';
import {
  AMQP_HEADER,
  encodeFrame,
  encodeSasl,
  FrameCutter,
  SASL_FRAME,
  SASL_HEADER,
} from '../src/protocol/amqp1/frames.ts';
import {
  ATTACH,
  type Attach,
  BEGIN,
  type Begin,
  type DeliveryState,
  DISPOSITION,
  FLOW,
  OPEN,
  type Performative,
  RECEIVER,
  type SaslFrame,
  SENDER,
  SOURCE,
  TARGET,
  type Terminus,
  TRANSFER,
  type Transfer,
} from '../src/protocol/amqp1/packet.ts';
import { Transferring } from '../src/protocol/amqp1/transfer.ts';
import type { Broker, ConnectOptions, RawClient } from './network.ts';

export interface HeardPerformative {
  readonly channel: number;
  readonly p: Performative;
  /** Of a transfer, from all of its frames. */
  body: Uint8Array;
}

const FRAME_MAX = 131_072;

export class Amqp1Client {
  readonly broker: Broker;
  readonly raw: RawClient;
  readonly sasl: SaslFrame[] = [];
  private heard: HeardPerformative[] = [];
  private rest = new Uint8Array();
  private unfinished: HeardPerformative | undefined;
  private nextDeliveryId = 0;
  private readonly cutter = new FrameCutter(FRAME_MAX, (type, channel, bytes, start, end) => {
    if (start === end) return;
    const r = new ValueReader(bytes.slice(start, end));
    if (type === SASL_FRAME) this.sasl.push(readSasl(r));
    else this.took(channel, readPerformative(r), r.bytes.subarray(r.at));
  });

  constructor(broker: Broker, options: ConnectOptions = {}) {
    this.broker = broker;
    this.raw = broker.connect({ protocol: 'amqp1', ...options });
  }

  private took(channel: number, p: Performative, body: Uint8Array): void {
    if (p.kind !== TRANSFER) {
      this.heard.push({ channel, p, body });
      return;
    }
    if (this.unfinished === undefined) {
      this.unfinished = { channel, p, body };
      this.heard.push(this.unfinished);
    } else this.unfinished.body = Buffer.concat([this.unfinished.body, body]);
    if (p.more !== true) this.unfinished = undefined;
  }

  /** Opens the connection and one session, 0, with SASL ANONYMOUS. */
  async open(container = 'test', begin: Partial<Begin> = {}): Promise<this> {
    this.raw.send(SASL_HEADER);
    this.raw.send(encodeSasl({ kind: 0x41, mechanism: 'ANONYMOUS' }));
    this.raw.send(AMQP_HEADER);
    this.say(0, { kind: OPEN, containerId: container });
    this.begin(0, begin);
    const kinds = (await this.hear()).map(({ p }) => p.kind);
    if (kinds.join() !== `${OPEN},${BEGIN}`) throw new Error(`no session but ${kinds.join()}`);
    return this;
  }

  begin(channel: number, begin: Partial<Begin> = {}): void {
    const windows = { nextOutgoingId: 0, incomingWindow: 10_000, outgoingWindow: 10_000 };
    this.say(channel, { kind: BEGIN, ...windows, ...begin });
  }

  say(channel: number, p: Performative): void {
    this.raw.send(encodeFrame(channel, p));
  }

  saySasl(p: SaslFrame): void {
    this.raw.send(encodeSasl(p));
  }

  /** Attaches a link that takes; what is heard is left for `hear`. */
  receive(handle: number, source: Partial<Terminus>, more: Partial<Attach> = {}): void {
    this.say(0, {
      kind: ATTACH,
      name: `link ${handle}`,
      handle,
      role: RECEIVER,
      source: { kind: SOURCE, ...source },
      target: { kind: TARGET },
      ...more,
    });
  }

  /** Attaches a link that sends. */
  send(handle: number, target: Partial<Terminus>, more: Partial<Attach> = {}): void {
    this.say(0, {
      kind: ATTACH,
      name: `link ${handle}`,
      handle,
      role: SENDER,
      source: { kind: SOURCE },
      target: { kind: TARGET, ...target },
      initialDeliveryCount: 0,
      ...more,
    });
  }

  credit(
    handle: number,
    linkCredit: number,
    more: { deliveryCount?: number; drain?: boolean; echo?: boolean } = {},
  ): void {
    this.say(0, {
      kind: FLOW,
      nextIncomingId: 0,
      incomingWindow: 10_000_000,
      nextOutgoingId: 0,
      outgoingWindow: 10_000,
      handle,
      deliveryCount: 0,
      linkCredit,
      ...more,
    });
  }

  /** Sends one delivery; returns its id. */
  transfer(handle: number, body: Uint8Array, more: Partial<Transfer> = {}): number {
    const deliveryId = this.nextDeliveryId++;
    const terms = {
      handle,
      deliveryId,
      tag: more.deliveryTag ?? Uint8Array.of(deliveryId >>> 8, deliveryId),
      settled: more.settled ?? false,
      rcvSettleMode: more.rcvSettleMode,
      state: more.state,
      resume: more.resume ?? false,
    };
    const transferring = new Transferring(terms, [body]);
    while (!transferring.writeFrame(this.raw.wire, 0, FRAME_MAX));
    return deliveryId;
  }

  settle(role: boolean, first: number, state: DeliveryState | undefined, settled = true, last = first): void {
    this.say(0, { kind: DISPOSITION, role, first, last, settled, ...(state === undefined ? {} : { state }) });
  }

  /** What arrived since the last call, once the broker is at rest. */
  async hear(): Promise<HeardPerformative[]> {
    await this.broker.clock.advance(0);
    const stream = Buffer.concat([this.rest, this.raw.take()]);
    let at = 0;
    for (let size = 0; stream.length - at >= 8; at += size) {
      // A frame never begins like a protocol header: it would be larger than any that is allowed.
      size = stream[at] === AMQP_HEADER[0] ? AMQP_HEADER.length : stream.readUInt32BE(at);
      if (at + size > stream.length) break;
      if (stream[at] !== AMQP_HEADER[0]) this.cutter.cut(stream, at, at + size, () => true);
    }
    this.rest = stream.subarray(at);
    return this.heard.splice(0);
  }

  /** The performatives of `hear`, of one kind. */
  async heardOf<K extends Performative['kind']>(kind: K): Promise<Extract<Performative, { kind: K }>[]> {
    return (await this.hear())
      .map(({ p }) => p)
      .filter((p): p is Extract<Performative, { kind: K }> => p.kind === kind);
  }
}
