// Clients that do anything at all: valid packets out of place, damaged ones, noise; they stall, vanish and come back.

import fc from 'fast-check';
import { encodePacket } from '../../src/protocol/mqtt/encode.ts';
import type { Level, Packet } from '../../src/protocol/mqtt/packet.ts';
import { connect, packet, publish, subscribe } from '../arbitrary/mqtt.ts';
import { connectPacket } from '../mqtt-client.ts';
import type { Broker, RawClient } from '../network.ts';

const LEVELS: readonly Level[] = [3, 4, 5];
/** Packets that are drawn once for a run, and sent again and again. */
const POOL = 60;

/** What chaotic clients of one level send. */
interface Pool {
  readonly connects: readonly Uint8Array[];
  readonly useful: readonly Uint8Array[];
  readonly any: readonly Uint8Array[];
}

export class Chaos {
  private readonly broker: Broker;
  private readonly random: () => number;
  private readonly pools = new Map<Level, Pool>();
  private readonly clients: { raw: RawClient; level: Level }[] = [];
  private readonly most: number;

  constructor(broker: Broker, seed: number, random: () => number, most: number) {
    this.broker = broker;
    this.random = random;
    this.most = most;
    for (const level of LEVELS) {
      const draw = (from: fc.Arbitrary<Packet>) =>
        fc.sample(from, { seed, numRuns: POOL }).map((p) => encodePacket(p, level));
      this.pools.set(level, {
        connects: draw(connect(level)),
        useful: draw(fc.oneof(subscribe(level), publish(level, 'client'))),
        any: draw(packet(level, 'client')),
      });
    }
  }

  /** One client does one thing. */
  act(): void {
    const { random } = this;
    if (this.clients.length < this.most && random() < 0.3) {
      this.arrive();
      return;
    }
    const at = Math.floor(random() * this.clients.length);
    const client = this.clients[at];
    if (client === undefined) return;
    const { raw, level } = client;
    const pool = this.pools.get(level)!;
    const choice = random();
    if (choice < 0.35) raw.send(this.pick(pool.useful));
    else if (choice < 0.55) raw.send(this.pick(pool.any));
    else if (choice < 0.65) raw.send(this.damaged(this.pick(pool.any)));
    else if (choice < 0.7) raw.send(this.noise());
    else if (choice < 0.78) raw.stall(random() < 0.7);
    else if (choice < 0.8) this.half(raw, this.pick(pool.any));
    else if (choice < 0.85) raw.end();
    else if (choice < 0.9) raw.cut();
    else raw.send(this.acknowledgements());
    if (raw.closed) this.clients.splice(at, 1);
  }

  private arrive(): void {
    const { random } = this;
    const level = LEVELS[Math.floor(random() * LEVELS.length)]!;
    const raw = this.broker.connect();
    this.clients.push({ raw, level });
    const choice = random();
    if (choice < 0.5) {
      // Few names: they take each other over.
      const name = `chaos${Math.floor(random() * 4)}`;
      raw.send(encodePacket(connectPacket(level, name, { clean: random() < 0.5 }), level));
    } else if (choice < 0.9) {
      raw.send(this.pick(this.pools.get(level)!.connects));
    } else if (choice < 0.95) {
      raw.send(this.noise());
    }
  }

  /** Part of a packet: the rest may never come. */
  private half(raw: RawClient, octets: Uint8Array): void {
    raw.send(octets.slice(0, 1 + Math.floor(this.random() * (octets.length - 1))));
  }

  private damaged(octets: Uint8Array): Uint8Array {
    const out = octets.slice();
    for (let n = 1 + Math.floor(this.random() * 3); n > 0; n--)
      out[Math.floor(this.random() * out.length)] = this.octet();
    return out;
  }

  private noise(): Uint8Array {
    return Uint8Array.from({ length: 1 + Math.floor(this.random() * 200) }, () => this.octet());
  }

  /** Answers to ids that may or may not be in flight. */
  private acknowledgements(): Uint8Array {
    const out: number[] = [];
    for (let n = 0; n < 6; n++) {
      const id = this.random() < 0.5 ? 1 + Math.floor(this.random() * 12) : 0x8000 + this.octet();
      out.push([0x40, 0x50, 0x62, 0x70][Math.floor(this.random() * 4)]!, 2, id >> 8, id & 0xff);
    }
    return Uint8Array.from(out);
  }

  private octet(): number {
    return Math.floor(this.random() * 256);
  }

  private pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!;
  }
}
