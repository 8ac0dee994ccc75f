// The web listeners: one HTTP server with the dashboard, topics, the admin API, metrics, health and the WebSocket paths.

import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { Api } from '../admin/api/router.ts';
import { answerNonsense } from '../admin/exchange.ts';
import type { Health } from '../admin/health.ts';
import { Pages } from '../admin/pages.ts';
import { Topics } from '../admin/topics.ts';
import { webRoutes } from '../admin/web.ts';
import type { OwnedHub } from '../contract/hub.ts';
import type { Tap } from '../contract/tap.ts';
import type { Protocol } from '../contract/wire.ts';
import { Contexts } from '../transport/contexts.ts';
import { connectionName, readProxyHeader } from '../transport/fronted.ts';
import { identityOf } from '../transport/identity.ts';
import { type Listener, type ListenerOptions, plainAddress, remoteName } from '../transport/listener.ts';
import { attachWebSocket, type Remote, type WebSocketRoutes } from '../transport/websocket.ts';
import { isLoopback, isSecure, type PlannedListener } from './config/listeners.ts';
import type { Config } from './config/schema.ts';
import { credentialsOf, type OpenListener, tower } from './listeners.ts';
import type { OscoreFiles } from './oscore.ts';

export interface WebParts {
  readonly config: Config['web'];
  readonly oscore: OscoreFiles;
  readonly metrics: () => string;
  readonly health: () => Health;
  readonly api: Api | undefined;
  /** A defect of ours. */
  readonly failed: (error: Error) => void;
}

/** Larger messages than this come by protocols that need not hold them in memory whole. */
const MAX_BODY_BYTES = 67_108_864;
/** How often Node looks for requests that do not come. */
const CHECKED = { connectionsCheckingInterval: 1_000 };
/** Where the listener's limits say nothing. */
const PROXY_HEADER_MS = 10_000;

export async function listenWeb(
  host: string,
  plan: PlannedListener,
  hub: OwnedHub,
  options: ListenerOptions,
  parts: WebParts,
): Promise<OpenListener> {
  const { config } = parts;
  let remotes: ReadonlyMap<string, Remote> | undefined;
  const remoteOf = ({ socket }: IncomingMessage): string => {
    const told = remotes?.get(connectionName(socket));
    if (told !== undefined) return remoteName(told.address, told.port);
    return remoteName(plainAddress(socket.remoteAddress ?? ''), socket.remotePort ?? 0);
  };
  const topics = config.topics ? topicsOf(plan, hub, remoteOf, parts, () => options.loop.tap) : undefined;
  const localOnly = plan.engine === 'open' && plan.hosts.every(isLoopback);
  const routes = webRoutes({
    pages: config.page ? new Pages(dashboardFolder()) : undefined,
    metrics: config.metrics ? parts.metrics : undefined,
    health: config.health ? parts.health : undefined,
    topics,
    api: parts.api,
    origins: config.origins,
    localOnly,
    remote: remoteOf,
    failed: parts.failed,
  });
  const secure = isSecure(plan.type);
  const contexts = new Contexts({ minVersion: plan.tls.minVersion, honorCipherOrder: true });
  const server = secure ? createSecureServer(plan, contexts, routes) : createServer(CHECKED, routes);
  server.on('clientError', answerNonsense);
  limitHeads(server, options.loginMs);
  const { proxy, ...rest } = options;
  remotes = proxy === true ? readProxyHeaders(server, options) : undefined;
  const sockets = attachWebSocket(server, webSocketRoutes(plan, parts), hub, {
    ...rest,
    ...(config.origins === undefined ? {} : { origins: config.origins }),
    localOnly,
    perMessageDeflate: config.deflate,
    ...(remotes === undefined ? {} : { remoteOf: (socket: Socket) => remotes?.get(connectionName(socket)) }),
  });
  await started(server, host, plan.port);
  const at = server.address() as AddressInfo;
  const listener: Listener = {
    name: plan.name,
    address: `${secure ? 'https' : 'http'}://${remoteName(at.address, at.port)}`,
    get connections() {
      return sockets.connections;
    },
    tune: (limits) => {
      limitHeads(server, limits.loginMs);
      sockets.tune(limits);
    },
    // Scrapers keep their connections: those that are idle are closed, the WebSockets are the hub's to end.
    close: async () => {
      const closed = sockets.close();
      topics?.close();
      parts.api?.close();
      server.close();
      server.closeIdleConnections();
      await closed;
    },
    ended: async (withinMs) => {
      await sockets.ended(withinMs);
      server.closeAllConnections();
    },
  };
  if (!secure) return { plan, listener };
  return { plan, listener, reload: (tls) => contexts.load(server as TlsServer, credentialsOf(tls)) };
}

/** A head that comes octet by octet keeps its connection no longer than a login may take. */
function limitHeads(server: Server | TlsServer, ms: number | undefined): void {
  if (ms !== undefined) server.headersTimeout = Math.min(ms, server.requestTimeout);
}

function topicsOf(
  plan: PlannedListener,
  hub: OwnedHub,
  remote: (request: IncomingMessage) => string,
  parts: WebParts,
  tap: () => Tap | undefined,
): Topics {
  return new Topics({
    hub,
    listener: plan.name,
    maxBodyBytes: Math.min(plan.limits.maxPacketBytes, MAX_BODY_BYTES),
    remote,
    identity: ({ socket }) => (socket instanceof TLSSocket ? identityOf(socket, undefined) : {}),
    tap,
    failed: parts.failed,
  });
}

/** Beside this file once built; from the sources, where the build puts it. */
function dashboardFolder(): string {
  const built = fileURLToPath(new URL('../web/', import.meta.url));
  return existsSync(built) ? built : fileURLToPath(new URL('../../dist/web/', import.meta.url));
}

function webSocketRoutes(plan: PlannedListener, { config, oscore }: WebParts): WebSocketRoutes {
  const routes: Record<string, Record<string, Protocol>> = {};
  if (plan.protocols.includes('mqtt')) {
    const mqtt = tower('mqtt', plan, oscore);
    routes[config.mqtt] = { mqtt, 'mqttv3.1': mqtt };
  }
  if (plan.protocols.includes('waymeet'))
    routes[config.json] = { 'waymeet.v1': tower('waymeet', plan, oscore) };
  if (plan.protocols.includes('coap')) routes[config.coap] = { coap: tower('coap', plan, oscore) };
  if (plan.protocols.includes('stomp')) {
    const stomp = tower('stomp', plan, oscore);
    routes[config.stomp] = { 'v12.stomp': stomp, 'v11.stomp': stomp, 'v10.stomp': stomp, '': stomp };
  }
  if (plan.protocols.includes('amqp1')) {
    const amqp1 = tower('amqp1', plan, oscore);
    routes[config.amqp] = { amqp: amqp1, AMQPWSB10: amqp1 };
  }
  if (plan.protocols.includes('xmpp')) routes[config.xmpp] = { xmpp: tower('xmpp', plan, oscore) };
  return routes;
}

function createSecureServer(plan: PlannedListener, contexts: Contexts, routes: RequestListener): TlsServer {
  const credentials = credentialsOf(plan.tls);
  const server = createTlsServer(
    {
      ...CHECKED,
      ...contexts.options(credentials.credentials),
      SNICallback: contexts.choose,
      requestCert: plan.tls.ca !== undefined,
      rejectUnauthorized: plan.tls.requireCert,
    },
    routes,
  );
  contexts.load(server, credentials);
  return server;
}

/** Has every connection begin with the proxy's header, in front of TLS and HTTP; who it told, by `connectionName`. */
function readProxyHeaders(server: Server | TlsServer, o: ListenerOptions): ReadonlyMap<string, Remote> {
  const remotes = new Map<string, Remote>();
  const serve = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const name = connectionName(socket);
    // Once it is served, HTTP or TLS listens for errors too.
    socket.on('error', () => socket.destroy());
    readProxyHeader(
      socket,
      o.firstByteMs ?? PROXY_HEADER_MS,
      ({ source }) => {
        if (source !== undefined) {
          remotes.set(name, { address: plainAddress(source.address), port: source.port });
          socket.once('close', () => remotes.delete(name));
        }
        for (const listener of serve) listener.call(server, socket);
      },
      (why) => o.loop.log('debug', `no PROXY header: ${String(why)}`, { listener: o.name }),
    );
  });
  return remotes;
}

function started(server: Server | TlsServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
