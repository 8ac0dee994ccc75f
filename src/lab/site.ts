// A hub in virtual time with one protocol's listener, and how clients reach it over their links.

import type { Auth, Identity } from '../contract/auth.ts';
import type { HubLimits, OwnedHub, World } from '../contract/hub.ts';
import { NEVER } from '../contract/message.ts';
import type { Peer, Wire } from '../contract/wire.ts';
import { createHub } from '../hub/hub.ts';
import { seeded } from '../transport/virtual-clock.ts';
import { Alarm, type LabClock } from './network/clock.ts';
import { type DatagramEnd, DtlsServer, PlainServer, type SessionMemory } from './network/datagrams.ts';
import type { Link } from './network/link.ts';
import { Meter } from './network/meter.ts';
import { connectTcp, type Stream, type TcpEnd } from './network/tcp.ts';
import { TCP_DEFAULTS, type TcpSpec } from './network/tcp-sender.ts';
import { TlsEnd, type TlsMemory, type TlsSpec } from './network/tls.ts';
import { type UpgradeSpec, WebSocketEnd } from './network/websocket.ts';
import { LabWire, Wires } from './network/wire.ts';
import { repeatsOf } from './repeats.ts';
import type { Sides, Variant } from './variant.ts';

const LIMITS: HubLimits = {
  topicLevels: 128,
  topicBytes: 65_535,
  clientIdBytes: 65_535,
  connections: 100_000,
  connectionsPerAddress: 100_000,
  subscriptionsPerClient: 10_000,
  queueMessages: 1_000_000,
  queueBytes: 1_073_741_824,
  overflow: 'drop-oldest',
  inflight: 1_024,
  receiveMaximum: 1_024,
  retainedMessages: 100_000,
  sessionExpiryMs: NEVER,
  messageExpiryMs: NEVER,
  memoryBytes: 2_147_483_648,
};

const ANYBODY: Identity = { principal: 'anonymous', unrestricted: true, validUntil: NEVER };

/** What a device keeps over its connections. */
export class DeviceMemory implements TlsMemory, SessionMemory {
  resumable = false;
  session: SessionMemory['session'] = undefined;
}

export interface SiteOptions {
  readonly tls: TlsSpec;
  readonly tcp: Partial<TcpSpec>;
  readonly resume: boolean;
  readonly seed: number;
}

/** One dialled connection: the TCP below it, if there is one, for its counters. */
export interface Dialled {
  readonly wire: LabWire;
  readonly tcp: TcpEnd | undefined;
}

export class Site {
  readonly clock: LabClock;
  readonly hub: OwnedHub;
  readonly serverMeter = new Meter();
  readonly clientMeter = new Meter();
  readonly sides: Sides;
  private readonly wires: Wires;
  private readonly variant: Variant;
  private readonly options: SiteOptions;
  private readonly tcp: TcpSpec;
  private readonly plain: PlainServer;
  private dtls: DtlsServer | undefined;
  private port = 40_000;
  private turnAsked = false;

  private constructor(clock: LabClock, variant: Variant, sides: Sides, options: SiteOptions) {
    this.clock = clock;
    this.variant = variant;
    this.sides = sides;
    this.options = options;
    this.tcp = { ...TCP_DEFAULTS, ...options.tcp };
    // Before the wires' hook: what a turn writes leaves with it.
    clock.after(() => this.turn());
    this.wires = new Wires(clock);
    this.hub = createHub(this.world(), LIMITS);
    this.plain = new PlainServer((end) => this.serveDatagrams(end));
  }

  static async start(clock: LabClock, variant: Variant, sides: Sides, options: SiteOptions): Promise<Site> {
    const site = new Site(clock, variant, sides, options);
    await site.hub.start();
    return site;
  }

  private world(): World {
    const { clock } = this;
    const random = seeded(this.options.seed * 7_919 + 1);
    const alarm = new Alarm(clock, () => this.hub.wake(clock.now));
    const auth: Auth = {
      identify: () => {
        clock.promised();
        return Promise.resolve(ANYBODY);
      },
      exchange: () => undefined,
      allows: () => true,
      epoch: 0,
    };
    return {
      auth,
      store: undefined,
      now: () => clock.now,
      wake: (at) => {
        alarm.clear();
        alarm.set(at);
      },
      turn: () => {
        this.turnAsked = true;
      },
      random: (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256)),
      failed: (why) => {
        throw why;
      },
      log: () => {},
    };
  }

  private turn(): boolean {
    if (!this.turnAsked) return false;
    this.turnAsked = false;
    this.serverMeter.enter();
    this.hub.turn();
    this.serverMeter.leave();
    return true;
  }

  // ---- clients

  /** Connects from `link`; `open` makes the peer once the way is open, `gone` tells that it never was. */
  dial(
    link: Link,
    name: string,
    memory: DeviceMemory,
    open: (wire: Wire) => Peer,
    gone: () => void,
  ): Dialled {
    const { variant } = this;
    const wire = new LabWire(this.wires, {
      remote: 'hub.example:1',
      listener: '',
      secure: variant.security !== 'none',
      meter: this.clientMeter,
      packets: this.sides.speech.carrier !== 'stream',
    });
    wire.peer = nobody(gone);
    const opened = (): void => {
      wire.peer = open(wire);
    };
    if (variant.transport === 'udp') {
      const end = this.dialDatagrams(link, name, memory);
      wire.overDatagrams(end, opened, repeatsOf(variant.family));
      return { wire, tcp: undefined };
    }
    const resumed = this.options.resume && memory.resumable;
    const tcp = connectTcp(link, (server) => this.serveStream(server, name, resumed), this.tcp);
    wire.overStream(this.layers(tcp, true, resumed, memory), opened);
    return { wire, tcp };
  }

  private layers(tcp: TcpEnd, client: boolean, resumed: boolean, memory: TlsMemory): Stream {
    const { security, webSocketPath } = this.variant;
    let stream: Stream = tcp;
    if (security === 'tls') stream = new TlsEnd(stream, this.options.tls, client, resumed, memory);
    if (webSocketPath !== undefined) stream = new WebSocketEnd(stream, this.upgrade(webSocketPath), client);
    return stream;
  }

  private upgrade(path: string): UpgradeSpec {
    const { speech } = this.sides;
    return {
      path,
      host: this.options.tls.serverName,
      subprotocol: speech.subprotocols?.[0] ?? speech.name,
      text: speech.text ?? false,
    };
  }

  private dialDatagrams(link: Link, name: string, memory: DeviceMemory): DatagramEnd {
    if (this.variant.security === 'none') return this.plain.dial(link, `${name}-${this.port++}`);
    this.dtls ??= new DtlsServer(this.clock, (end) => this.serveDatagrams(end));
    const kept = this.options.resume ? memory : new DeviceMemory();
    return this.dtls.dial(link, `${name}-${this.port++}`, kept, true);
  }

  // ---- the server's side

  private serveStream(server: TcpEnd, name: string, resumed: boolean): void {
    const wire = this.serverWire(`${name}:${this.port++}`);
    const stream = this.layers(server, false, resumed, { resumable: false });
    wire.overStream(stream, () => this.open(wire));
  }

  private serveDatagrams(end: DatagramEnd): void {
    const wire = this.serverWire(end.remote);
    wire.overDatagrams(end, () => {}, repeatsOf(this.variant.family));
    this.open(wire);
  }

  private serverWire(remote: string): LabWire {
    return new LabWire(this.wires, {
      remote,
      listener: this.variant.id,
      secure: this.variant.security !== 'none',
      meter: this.serverMeter,
      packets: this.sides.protocol.carrier !== 'stream',
    });
  }

  private open(wire: LabWire): void {
    wire.peer = this.sides.protocol.open(wire, this.hub, this.clock.now);
  }

  /** Messages that the hub has handed to wires. */
  get delivered(): number {
    let sum = 0;
    for (const { delivered } of this.hub.counters.protocols.values()) for (const one of delivered) sum += one;
    return sum;
  }

  async stop(): Promise<void> {
    const stopping = this.hub.stop();
    this.clock.promised();
    let stopped = false;
    const done = (): void => {
      stopped = true;
    };
    stopping.then(done, done);
    await this.clock.run(() => stopped, this.clock.now + 1_000);
    await stopping;
  }
}

/** The peer of a wire that is not open yet. */
function nobody(gone: () => void): Peer {
  return {
    receive: (_bytes, _start, end) => end,
    drained() {},
    wake() {},
    broken() {},
    lost: gone,
  };
}
