// What a listener allows: its options with their defaults, the count of its wires, and who may come in.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Hub, ProtocolCounters } from '../contract/hub.ts';
import type { Protocol, WireIdentity, WireLimits } from '../contract/wire.ts';
import { AddressRates } from './address-rates.ts';
import { now } from './clock.ts';
import type { Loop } from './loop.ts';

/** Limits that may change while a listener runs; connections that are open keep theirs. Sizes in octets, times in ms. */
export interface ListenerLimits {
  readonly maxPacketBytes?: number;
  /** Announced to the peers, which keep it. */
  readonly loginMs?: number;
  /** A connection that has not sent an octet within this time is closed. */
  readonly firstByteMs?: number;
  /** How long an ended connection may take to send what is left and to close its side. */
  readonly lingerMs?: number;
  /** A wire is `full` beyond this, and drained below half of it. */
  readonly highWaterBytes?: number;
  /** A wire with more than this unsent is destroyed as a slow consumer. */
  readonly maxUnsentBytes?: number;
  readonly maxConnections?: number;
  readonly maxConnectionsPerAddress?: number;
  /** Connections beyond this rate are closed at once; 0: no limit. A second's worth may come in one burst. */
  readonly acceptsPerSecond?: number;
  /** The same from one address; absent: no limit. */
  readonly connectsPerAddress?: number;
  /** Datagrams a second that one address may send, on average. Default: any number. */
  readonly datagramsPerAddress?: number;
}

/** Options that every listener has. */
export interface ListenerOptions extends ListenerLimits {
  readonly loop: Loop;
  /** Its name in the configuration; logs and logins carry it. */
  readonly name: string;
  /** Every connection must start with a PROXY protocol header, version 1 or 2. Only for listeners that the proxy alone can reach. */
  readonly proxy?: boolean;
  /** The client certificate's common name that a PROXY v2 header tells is taken as proven. */
  readonly proxyTrustsCertificate?: boolean;
  /** Begins TLS inside of connections, for protocols that ask for it there. */
  readonly securer?: Securer;
}

/** Makes plain connections secret ones. */
export interface Securer {
  /** Has `socket`, which nobody reads any more, shake hands; one that does not is destroyed. */
  secure(socket: Socket, secured: (socket: TLSSocket, identity: WireIdentity) => void): void;
}

/** A place where connections arrive. */
export interface Listener {
  readonly name: string;
  /** `mqtt://127.0.0.1:1883`: with the port that the kernel chose, where none was asked for. */
  readonly address: string;
  /** Connections that are open now. */
  readonly connections: number;
  /** Changes the limits, all of them: what is absent gets its default. */
  tune(limits: ListenerLimits): void;
  /** Stops accepting. Open wires go on: the hub's evictions end them. */
  close(): Promise<void>;
  /** Resolves when the last wire is gone; those that stay longer than `withinMs` are destroyed. */
  ended(withinMs: number): Promise<void>;
}

/** What the gate must be able to do to a wire that it counts. */
export interface Guarded {
  readonly address: string;
  destroy(): void;
}

export const BACKLOG = 4_096;
const DEFAULT_MAX_PACKET_BYTES = 16 * 1_048_576;
const DEFAULT_LOGIN_MS = 10_000;
const DEFAULT_FIRST_BYTE_MS = 10_000;
const DEFAULT_LINGER_MS = 5_000;
const DEFAULT_HIGH_WATER_BYTES = 1_048_576;
const DEFAULT_UNSENT_BYTES = 64 * 1_048_576;
/** The same complaint about accepting is logged once in this time. */
const COMPLAINT_MS = 60_000;

/** One listener's limits, counts and constants, shared by its wires. */
export class Gate {
  readonly hub: Hub;
  readonly loop: Loop;
  readonly name: string;
  readonly secure: boolean;
  readonly protocols: readonly Protocol[];
  limits!: WireLimits;
  firstByteMs!: number;
  lingerMs!: number;
  highWaterBytes!: number;
  maxUnsentBytes!: number;
  readonly proxy: boolean;
  readonly proxyTrustsCertificate: boolean;
  readonly securer: Securer | undefined;
  /** Until a connection's protocol is known, it is counted with the listener's first. */
  readonly counters: ProtocolCounters;
  private maxConnections!: number;
  private maxPerAddress!: number;
  private acceptsPerSecond!: number;
  private readonly wires = new Set<Guarded>();
  private readonly addresses = new Map<string, number>();
  private readonly rates = new AddressRates();
  /** Of those who cannot be read more slowly. */
  readonly datagramRates = new AddressRates();
  private tokens = 0;
  private tokensAt = 0;
  private complainedAt = Number.NEGATIVE_INFINITY;
  private waiting: (() => void)[] = [];

  constructor(protocols: readonly Protocol[], hub: Hub, secure: boolean, o: ListenerOptions) {
    if (protocols.length === 0) throw new RangeError(`listener ${o.name}: no protocol to speak`);
    this.hub = hub;
    this.loop = o.loop;
    this.name = o.name;
    this.secure = secure;
    this.protocols = protocols;
    this.tune(o);
    this.proxy = o.proxy ?? false;
    this.proxyTrustsCertificate = o.proxyTrustsCertificate ?? false;
    this.securer = o.securer;
    this.counters = hub.counters.of(protocols[0]!.name);
  }

  tune(o: ListenerLimits): void {
    this.limits = {
      maxPacketBytes: o.maxPacketBytes ?? DEFAULT_MAX_PACKET_BYTES,
      loginMs: o.loginMs ?? DEFAULT_LOGIN_MS,
    };
    this.firstByteMs = o.firstByteMs ?? DEFAULT_FIRST_BYTE_MS;
    this.lingerMs = o.lingerMs ?? DEFAULT_LINGER_MS;
    this.highWaterBytes = o.highWaterBytes ?? DEFAULT_HIGH_WATER_BYTES;
    // One packet of the largest size must fit beyond the high water: a consumer sees `full` only between two packets.
    this.maxUnsentBytes =
      o.maxUnsentBytes ??
      Math.max(DEFAULT_UNSENT_BYTES, this.highWaterBytes + 2 * this.limits.maxPacketBytes);
    this.maxConnections = o.maxConnections ?? this.hub.limits.connections;
    this.maxPerAddress = o.maxConnectionsPerAddress ?? this.hub.limits.connectionsPerAddress;
    this.acceptsPerSecond = o.acceptsPerSecond ?? 0;
    this.tokens = this.acceptsPerSecond;
    this.rates.perSecond = o.connectsPerAddress ?? Number.POSITIVE_INFINITY;
    this.datagramRates.perSecond = o.datagramsPerAddress ?? Number.POSITIVE_INFINITY;
  }

  get connections(): number {
    return this.wires.size;
  }

  /** No more connections fit. */
  get crowded(): boolean {
    return this.wires.size >= this.maxConnections;
  }

  /**
   * Whether one more connection may come in; counts the refusal. Behind a proxy the address is the proxy's own, and the one that
   * counts is asked about once it is told (`admitsAddress`).
   */
  admits(address: string): boolean {
    if (
      this.wires.size >= this.maxConnections ||
      !this.spend() ||
      !(this.proxy || this.admitsAddress(address))
    ) {
      this.counters.refused++;
      return false;
    }
    return true;
  }

  admitsAddress(address: string): boolean {
    if (address === '') return true;
    return (this.addresses.get(address) ?? 0) < this.maxPerAddress && this.rates.spend(address, now());
  }

  /** A token bucket that holds one second's worth. */
  private spend(): boolean {
    if (this.acceptsPerSecond === 0) return true;
    const at = now();
    const earned = ((at - this.tokensAt) * this.acceptsPerSecond) / 1_000;
    this.tokens = Math.min(this.acceptsPerSecond, this.tokens + earned);
    this.tokensAt = at;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }

  enter(wire: Guarded): void {
    this.wires.add(wire);
    this.countAddress(wire.address, 1);
  }

  leave(wire: Guarded): void {
    if (!this.wires.delete(wire)) return;
    this.countAddress(wire.address, -1);
    if (this.wires.size > 0) return;
    for (const done of this.waiting.splice(0)) done();
  }

  /** A proxy told the real address of a wire that is inside. */
  moved(from: string, to: string): void {
    this.countAddress(from, -1);
    this.countAddress(to, 1);
  }

  private countAddress(address: string, change: number): void {
    if (address === '') return;
    const count = (this.addresses.get(address) ?? 0) + change;
    if (count > 0) this.addresses.set(address, count);
    else this.addresses.delete(address);
  }

  /** Accepting failed, mostly for want of file descriptors: say so once a minute, and go on. */
  complain(why: Error): void {
    const at = now();
    if (at - this.complainedAt < COMPLAINT_MS) return;
    this.complainedAt = at;
    this.loop.log('error', `listener ${this.name} could not accept a connection: ${why.message}`, {
      connections: this.wires.size,
      fix: 'raise the limit of open files (ulimit -n), or lower maxConnections',
    });
  }

  async ended(withinMs: number): Promise<void> {
    if (this.wires.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        for (const wire of [...this.wires]) wire.destroy();
      }, withinMs);
      this.waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** `192.0.2.1:50312` or `[2001:db8::1]:50312`; an IPv4 address in IPv6 clothes is shown as what it is. */
export function remoteName(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
