// A whole broker in memory, on a virtual clock: start it, connect raw clients of any protocol, crash it, cut its wires.

import { jsonWords } from '../src/admin/json.ts';
import type { Auth, Identity } from '../src/contract/auth.ts';
import type { HubLimits, OwnedHub, World } from '../src/contract/hub.ts';
import { NEVER } from '../src/contract/message.ts';
import type { Store } from '../src/contract/store.ts';
import type { Peer, Protocol, WireIdentity, WireLimits } from '../src/contract/wire.ts';
import { createHub } from '../src/hub/hub.ts';
import { amqp1 } from '../src/protocol/amqp1/protocol.ts';
import { amqp091 } from '../src/protocol/amqp091/protocol.ts';
import { coap, coapMessages, coapStream } from '../src/protocol/coap/protocol.ts';
import { httpStream } from '../src/protocol/http/stream-peer.ts';
import type { MqttOptions } from '../src/protocol/mqtt/options.ts';
import { mqtt } from '../src/protocol/mqtt/protocol.ts';
import { mqttsn } from '../src/protocol/mqttsn/protocol.ts';
import { stomp } from '../src/protocol/stomp/protocol.ts';
import { waymeetJson } from '../src/protocol/websocket/protocol.ts';
import type { XmppOptions } from '../src/protocol/xmpp/options.ts';
import { xmpp, xmppMessages } from '../src/protocol/xmpp/protocol.ts';
import { MemoryStore } from '../src/store/memory.ts';
import { type LinkOptions, MemoryNetwork, type MemoryWire } from '../src/transport/memory.ts';
import { seeded, VirtualClock } from '../src/transport/virtual-clock.ts';

export const TEST_LIMITS: HubLimits = {
  topicLevels: 128,
  topicBytes: 65_535,
  clientIdBytes: 65_535,
  connections: 100_000,
  connectionsPerAddress: 100_000,
  subscriptionsPerClient: 10_000,
  queueMessages: 10_000,
  queueBytes: 64 * 1_048_576,
  overflow: 'drop-oldest',
  inflight: 1_024,
  receiveMaximum: 1_024,
  retainedMessages: 100_000,
  sessionExpiryMs: NEVER,
  messageExpiryMs: NEVER,
  memoryBytes: 1_073_741_824,
};

const ANYBODY: Identity = { principal: 'anonymous', unrestricted: true, validUntil: NEVER };

/** Lets everybody do everything. */
export const OPEN: Auth = {
  identify: () => Promise.resolve(ANYBODY),
  exchange: () => undefined,
  allows: () => true,
  epoch: 0,
};

export interface BrokerOptions {
  readonly limits?: Partial<HubLimits>;
  readonly auth?: Auth;
  /** Default: a MemoryStore. `crash` makes a MemoryStore lose what was not committed; another sees a new hub open over it. */
  readonly store?: Store;
  readonly protocols?: readonly Protocol[];
  readonly mqtt?: Partial<MqttOptions>;
  readonly xmpp?: Partial<XmppOptions>;
  /** What every connection has unless it says otherwise. */
  readonly link?: Partial<LinkOptions>;
  readonly startAt?: number;
  readonly seed?: number;
  /** Whether frames may take the fast lane; the meaning must be the same. Default: as the hub's. */
  readonly lane?: boolean;
  /** How long a commit takes, ms. */
  readonly commitMs?: number;
}

export interface ConnectOptions {
  readonly protocol?: string;
  readonly remote?: string;
  readonly secure?: boolean;
  readonly securable?: boolean;
  readonly sentTo?: 'us' | 'group' | 'either';
  readonly identity?: WireIdentity;
  readonly limits?: Partial<WireLimits>;
  readonly link?: Partial<LinkOptions>;
}

/** Starts a hub with its towers; its clock stands still until `clock.advance` or `clock.run`. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const broker = new Broker(options);
  await broker.start();
  return broker;
}

export class Broker {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  /** What the hub runs over now. Unless one was given, a MemoryStore: `failNext` makes a commit fail. */
  store: Store;
  /** What the hub logged, `level text`. */
  readonly log: string[] = [];
  /** The hub that runs now; another one after a crash. */
  hub!: OwnedHub;
  private readonly options: BrokerOptions;
  private readonly protocols: readonly Protocol[];
  private readonly served = new Set<MemoryWire>();
  private life = 0;
  private turnAsked = false;
  private port = 50_000;

  constructor(options: BrokerOptions) {
    this.options = options;
    this.clock = new VirtualClock(options.startAt ?? Date.UTC(2026, 0, 1));
    // Before the network's hook: what a turn writes leaves with it.
    this.clock.after(() => this.turn());
    this.network = new MemoryNetwork(this.clock, options.seed);
    this.store = options.store ?? new MemoryStore({ delay: () => this.commitDelay() });
    this.protocols = options.protocols ?? [
      mqtt(options.mqtt),
      coap(),
      coapStream(),
      coapMessages(),
      waymeetJson(),
      stomp(),
      mqttsn(),
      amqp091(),
      httpStream(jsonWords),
      amqp1(),
      xmpp(options.xmpp),
      xmppMessages(options.xmpp),
    ];
  }

  /** @internal */
  async start(): Promise<void> {
    const { limits, lane } = this.options;
    this.hub = createHub(this.world(), { ...TEST_LIMITS, ...limits }, lane === undefined ? {} : { lane });
    await this.clock.until(this.hub.start());
  }

  /** The effects of one hub; those of a crashed one go nowhere. */
  private world(): World {
    const life = ++this.life;
    const { clock } = this;
    const random = seeded((this.options.seed ?? 1) * 7_919 + life);
    let cancel = (): void => {};
    return {
      auth: this.options.auth ?? OPEN,
      store: this.store,
      now: () => clock.now,
      wake: (at) => {
        cancel();
        cancel = clock.timer(at, () => {
          if (life === this.life) this.hub.wake(clock.now);
        });
      },
      turn: () => {
        if (life === this.life) this.turnAsked = true;
      },
      random: (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256)),
      failed: (why) => {
        this.log.push(`fatal ${why.message}`);
        clock.at(clock.now, () => {
          throw why;
        });
      },
      log: (level, text) => {
        this.log.push(`${level} ${text}`);
      },
    };
  }

  /** Commits take virtual time, and those of a crashed process never happen. */
  private commitDelay(): Promise<void> {
    const { life, clock } = this;
    return new Promise((resolve) => {
      clock.at(clock.now + (this.options.commitMs ?? 0), () => {
        if (life === this.life) resolve();
      });
    });
  }

  private turn(): boolean {
    if (!this.turnAsked) return false;
    this.turnAsked = false;
    this.hub.turn();
    return true;
  }

  /** A client that speaks octets. Nothing is sent or received before the clock runs. */
  connect(options: ConnectOptions = {}): RawClient {
    const name = options.protocol ?? 'mqtt';
    const protocol = this.protocols.find((p) => p.name === name);
    if (protocol === undefined)
      throw new Error(`no protocol '${name}'; there is ${this.protocols.map((p) => p.name)}`);
    const end = {
      remote: options.remote ?? `192.0.2.1:${this.port++}`,
      listener: name,
      secure: options.secure ?? false,
      securable: options.securable ?? false,
      sentTo: options.sentTo ?? 'us',
      identity: options.identity ?? {},
      limits: options.limits ?? {},
    };
    const link = { ...this.options.link, ...options.link };
    const [ours, theirs] = this.network.join(protocol.carrier, end, { ...end, remote: 'broker' }, link);
    this.serve(ours, protocol);
    return new RawClient(theirs);
  }

  private serve(wire: MemoryWire, protocol: Protocol): void {
    const open = (): void => {
      this.served.add(wire);
      const peer = protocol.open(wire, this.hub, this.clock.now);
      wire.peer = forgetting(peer, () => this.served.delete(wire));
    };
    wire.reopen = protocol.carrier === 'datagram' ? open : undefined;
    open();
  }

  /** The process dies: no goodbye, and what was not committed is gone. Then a new hub opens over the same store. */
  async crash(): Promise<void> {
    for (const wire of this.served) wire.abandon();
    this.served.clear();
    this.life++;
    if (this.store instanceof MemoryStore) this.store = this.store.reopen();
    this.turnAsked = false;
    await this.start();
    await this.clock.advance(0); // clients nearby notice
  }

  async stop(): Promise<void> {
    await this.clock.until(this.hub.stop());
    await this.clock.run();
  }
}

/** `peer`, and a call when it is lost. */
function forgetting(peer: Peer, gone: () => void): Peer {
  return {
    receive: (bytes, start, end, now) => peer.receive(bytes, start, end, now),
    drained: (now) => peer.drained(now),
    wake: (now) => peer.wake(now),
    broken: (why, now) => peer.broken(why, now),
    lost: (now) => {
      gone();
      peer.lost(now);
    },
  };
}

export class RawClient {
  /** The client's end; `broker` is its other end. */
  readonly wire: MemoryWire;
  private readonly arrived: Uint8Array[] = [];

  constructor(wire: MemoryWire) {
    this.wire = wire;
    wire.peer = {
      receive: (bytes, start, end) => {
        this.arrived.push(bytes.slice(start, end));
        return end;
      },
      drained: () => {},
      wake: () => {},
      broken: () => {},
      lost: () => {},
    };
  }

  /** Octets, or hex as in the standards, `10 0e 00 04`. One call is one datagram or message. */
  send(octets: Uint8Array | string): void {
    this.wire.write(typeof octets === 'string' ? hex(octets) : octets);
  }

  /** What arrived since the last take. */
  take(): Uint8Array {
    return Buffer.concat(this.takeEach());
  }

  /** What arrived since the last take, datagram by datagram or message by message. */
  takeEach(): Uint8Array[] {
    return this.arrived.splice(0);
  }

  /** This side ended, or saw the other do so. */
  get closed(): boolean {
    return this.wire.closed;
  }

  /** Closes in order: what was sent arrives first. */
  end(): void {
    this.wire.end();
  }

  /** The network fails: the broker loses the connection. */
  cut(): void {
    this.wire.cut();
  }

  /** Stops reading, or starts again: the broker's octets pile up. */
  stall(on: boolean): void {
    if (on) this.wire.pause();
    else this.wire.resume();
  }
}

/** Octets from hex with spaces. */
export function hex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) throw new Error(`not hex: ${text}`);
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

/** Hex with spaces, for comparing. */
export function toHex(octets: Uint8Array): string {
  return Array.from(octets, (o) => o.toString(16).padStart(2, '0')).join(' ');
}
