// The package entry: a whole hub inside a program of your own.

import type { OwnedHub } from './contract/hub.ts';
import { Message, type Meta, NEVER, type Qos } from './contract/message.ts';
import type { Outcome } from './contract/outcome.ts';
import { resolveConfig } from './server/config/resolve.ts';
import { formatProblem } from './server/config/source.ts';
import { LocalClient } from './server/local.ts';
import { createLog, type Log } from './server/log.ts';
import { type Server, startServer } from './server/start.ts';

export { Message, type Meta, NEVER, type Qos } from './contract/message.ts';
export type { Outcome } from './contract/outcome.ts';

/** Settings as they stand in `waymeet.yaml` (docs/configuration.md): `{ store: { durability: 'memory' }, ports: { mqtt: 0 } }`. */
export type Settings = Readonly<Record<string, unknown>>;

export interface HubOptions {
  /** What differs from the defaults. */
  readonly settings?: Settings;
  /** A pino logger. Default: warnings and worse, on stderr. */
  readonly log?: Log;
  /** The store failed and nothing more is acknowledged. Default: the process ends with exit code 1. */
  readonly failed?: (why: Error) => void;
}

export interface PublishOptions {
  /** Default: 0. From 1 on, `publish` resolves once the message is kept. */
  readonly qos?: Qos;
  readonly retain?: boolean;
  /** How long it is worth delivering, ms. Default: as long as it takes. */
  readonly expiryMs?: number;
  readonly meta?: Meta;
}

export interface EmbeddedHub {
  /** Opens the store and the listeners. Rejects with an Error that says what is wrong and the fix. */
  start(): Promise<void>;
  /** Says goodbye to all clients, commits, and closes everything. */
  stop(): Promise<void>;
  /** `mqtt://127.0.0.1:1883` and the others, once started. */
  readonly addresses: readonly string[];
  /** The address of the listener of that name: `mqtt`, `web`, `coap`, or a name from your settings. */
  address(listener: string): string;
  /** Publishes to subscribers of every protocol. Text is sent as UTF-8. Resolves to 'ok', or 'unmatched' when nobody subscribed. */
  publish(topic: string, payload: string | Uint8Array, options?: PublishOptions): Promise<Outcome>;
  /**
   * Calls `listen` for each message whose topic matches `filter`, the retained ones first. Returns how to stop. What `listen` throws is
   * logged.
   */
  subscribe(filter: string, listen: (m: Message) => void): () => void;
  /** Counters, gauges and the port that towers use. */
  readonly hub: OwnedHub;
}

/** Makes a hub; nothing is opened before `start`. Throws an Error that lists what is wrong with the settings. */
export function createHub(options: HubOptions = {}): EmbeddedHub {
  const { config, problems } = resolveConfig({ settings: options.settings ?? {} });
  if (config === undefined) throw new Error(problems.map(formatProblem).join('\n'));
  const log = options.log ?? createLog({ level: 'warn', format: 'auto' }, process.stderr);
  let server: Server | undefined;
  let client: LocalClient | undefined;
  const running = () => {
    if (server === undefined || client === undefined)
      throw new Error('the hub is not running: await start() first');
    return { server, client };
  };
  return {
    async start() {
      if (server !== undefined) throw new Error('the hub is running already');
      const { failed } = options;
      server = await startServer(config, {
        log,
        version: 'embedded',
        ...(failed === undefined ? {} : { failed }),
      });
      client = new LocalClient(server.hub, 'embedded');
    },
    async stop() {
      const stopped = server;
      server = undefined;
      client = undefined;
      await stopped?.stop();
    },
    get addresses() {
      return running().server.addresses;
    },
    address: (listener) => running().server.address(listener),
    get hub() {
      return running().server.hub;
    },
    publish(topic, payload, o = {}) {
      const { client: local, server: here } = running();
      const at = here.hub.now();
      const octets = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload.slice();
      const origin = { protocol: 'hub', client: local.client, principal: 'hub' };
      const expiresAt = o.expiryMs === undefined ? NEVER : at + o.expiryMs;
      const meta = typeof payload === 'string' ? { text: true, ...o.meta } : o.meta;
      return local.publish(
        new Message(topic, octets, o.qos ?? 0, o.retain ?? false, origin, at, expiresAt, meta),
      );
    },
    subscribe(filter, listen) {
      return running().client.subscribe(filter, 2, (m) => {
        try {
          listen(m);
        } catch (error) {
          log.error({ err: error }, `a subscriber of ${filter} failed`);
        }
      });
    },
  };
}
