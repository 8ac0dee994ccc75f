// The world of a client inside a test: its wires lead to a broker in memory, and its clock is the broker's.

import type { Client } from '../src/client/client.ts';
import { connect as connectIn } from '../src/client/connect.ts';
import type { ConnectOptions, World } from '../src/client/options.ts';
import type { OutboxStore } from '../src/client/outbox-kept.ts';
import { SCHEMES } from '../src/client/scheme.ts';
import { portOf, schemeOf } from '../src/client/scheme-table.ts';
import { saslOf } from '../src/client/scram.ts';
import type { MemoryWire } from '../src/transport/memory.ts';
import { seeded } from '../src/transport/virtual-clock.ts';
import type { Broker, ConnectOptions as WireOptions } from './network.ts';

/** More than any test waits for. */
const MOST_STEPS = 20_000;

export interface WorldOptions {
  /** The protocol of the broker that a URL leads to. Default: the scheme. */
  readonly protocol?: (url: URL) => string;
  /** The broker behind a URL; undefined: nobody answers there. Default: the one and only. */
  readonly brokerOf?: (url: URL) => Broker | undefined;
  readonly link?: WireOptions['link'];
  readonly seed?: number;
  readonly store?: () => OutboxStore;
}

export class ClientWorld {
  readonly broker: Broker;
  /** The wires that were dialled, the newest last. */
  readonly wires: MemoryWire[] = [];
  private readonly options: WorldOptions;
  readonly world: World;

  constructor(broker: Broker, options: WorldOptions = {}) {
    this.broker = broker;
    this.options = options;
    const { clock } = broker;
    const random = seeded(options.seed ?? 1);
    const octets = (length: number) => Uint8Array.from({ length }, () => Math.floor(random() * 256));
    this.world = {
      now: () => clock.now,
      timer: (ms, run) => clock.timer(clock.now + ms, run),
      soon: (run) => queueMicrotask(run),
      random: octets,
      speech: async (url) => schemeOf(url, SCHEMES).load(),
      port: (url) => portOf(url, schemeOf(url, SCHEMES)),
      dial: async (url) => this.dial(url),
      store: async () => {
        if (options.store === undefined) throw new Error('this test keeps no outbox');
        return options.store();
      },
      sasl: async (mechanism, username, password) => saslOf(mechanism, username, password, octets),
    };
  }

  private async dial(url: URL): Promise<MemoryWire> {
    const { brokerOf, protocol, link } = this.options;
    const broker = brokerOf === undefined ? this.broker : brokerOf(url);
    if (broker === undefined) throw new Error('nobody listens there');
    const name = protocol?.(url) ?? url.protocol.slice(0, -1);
    const { wire } = broker.connect({ protocol: name, ...(link === undefined ? {} : { link }) });
    this.wires.push(wire);
    return wire;
  }

  /** Connects as virtual time passes. */
  connect(urls: string | readonly string[], options: ConnectOptions = {}): Promise<Client> {
    return this.until(connectIn(urls, options, this.world));
  }

  /** What `promise` resolves to, as virtual time passes, `stepMs` at a time. */
  async until<T>(promise: Promise<T>, stepMs = 50): Promise<T> {
    let pending = true;
    const done = () => {
      pending = false;
    };
    promise.then(done, done);
    for (let step = 0; pending; step++) {
      if (step > MOST_STEPS)
        throw new Error(`it did not happen in ${(stepMs * step) / 1_000} s of virtual time`);
      // What the platform does outside of virtual time: modules to load, keys to derive.
      await new Promise((resolve) => setImmediate(resolve));
      await this.broker.clock.advance(step < 3 ? 0 : stepMs);
    }
    return promise;
  }

  /** Lets everything happen that is due. */
  async settle(ms = 0): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    await this.broker.clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
    await this.broker.clock.advance(0);
  }
}
