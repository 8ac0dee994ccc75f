// The web listeners: one HTTP server with the dashboard, topics, the admin API, metrics, health and the WebSocket paths.

import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { Api } from '../admin/api/router.ts';
import type { Health } from '../admin/health.ts';
import { Pages } from '../admin/pages.ts';
import { Topics } from '../admin/topics.ts';
import { webRoutes } from '../admin/web.ts';
import type { OwnedHub } from '../contract/hub.ts';
import type { Protocol } from '../contract/wire.ts';
import { identityOf } from '../transport/identity.ts';
import { type Listener, type ListenerOptions, plainAddress, remoteName } from '../transport/listener.ts';
import { attachWebSocket, type WebSocketRoutes } from '../transport/websocket.ts';
import { isSecure, type PlannedListener } from './config/listeners.ts';
import type { Config, TlsConfig } from './config/schema.ts';
import { type OpenListener, tower } from './listeners.ts';

export interface WebParts {
  readonly config: Config['web'];
  readonly metrics: () => string;
  readonly health: () => Health;
  readonly api: Api | undefined;
  /** A defect of ours. */
  readonly failed: (error: Error) => void;
}

/** Larger messages than this come by protocols that need not hold them in memory whole. */
const MAX_BODY_BYTES = 67_108_864;

export async function listenWeb(
  host: string,
  plan: PlannedListener,
  hub: OwnedHub,
  options: ListenerOptions,
  parts: WebParts,
): Promise<OpenListener> {
  const { config } = parts;
  const topics = config.topics ? topicsOf(plan, hub, parts) : undefined;
  const routes = webRoutes({
    pages: config.page ? new Pages(dashboardFolder()) : undefined,
    metrics: config.metrics ? parts.metrics : undefined,
    health: config.health ? parts.health : undefined,
    topics,
    api: parts.api,
    origins: config.origins,
    remote: remoteOf,
    failed: parts.failed,
  });
  const secure = isSecure(plan.type);
  const server = secure ? createTlsServer(tlsContext(plan.tls), routes) : createServer(routes);
  const { proxy: _, ...rest } = options;
  const sockets = attachWebSocket(server, webSocketRoutes(plan, config), hub, {
    ...rest,
    ...(config.origins === undefined ? {} : { origins: config.origins }),
  });
  await started(server, host, plan.port);
  const at = server.address() as AddressInfo;
  const listener: Listener = {
    name: plan.name,
    address: `${secure ? 'https' : 'http'}://${remoteName(at.address, at.port)}`,
    get connections() {
      return sockets.connections;
    },
    tune: (limits) => sockets.tune(limits),
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
  return { plan, listener, reload: () => (server as TlsServer).setSecureContext(tlsContext(plan.tls)) };
}

function topicsOf(plan: PlannedListener, hub: OwnedHub, parts: WebParts): Topics {
  return new Topics({
    hub,
    listener: plan.name,
    maxBodyBytes: Math.min(plan.limits.maxPacketBytes, MAX_BODY_BYTES),
    remote: remoteOf,
    identity: ({ socket }) => (socket instanceof TLSSocket ? identityOf(socket, undefined) : {}),
    failed: parts.failed,
  });
}

function remoteOf({ socket }: IncomingMessage): string {
  return remoteName(plainAddress(socket.remoteAddress ?? ''), socket.remotePort ?? 0);
}

/** Beside this file once built; from the sources, where the build puts it. */
function dashboardFolder(): string {
  const built = fileURLToPath(new URL('../web/', import.meta.url));
  return existsSync(built) ? built : fileURLToPath(new URL('../../dist/web/', import.meta.url));
}

function webSocketRoutes(plan: PlannedListener, config: Config['web']): WebSocketRoutes {
  const routes: Record<string, Record<string, Protocol>> = {};
  if (plan.protocols.includes('mqtt')) {
    const mqtt = tower('mqtt', plan);
    routes[config.mqtt] = { mqtt, 'mqttv3.1': mqtt };
  }
  if (plan.protocols.includes('waymeet')) routes[config.json] = { 'waymeet.v1': tower('waymeet', plan) };
  return routes;
}

function tlsContext(tls: TlsConfig) {
  return {
    ...(tls.cert === undefined ? {} : { cert: readFileSync(tls.cert) }),
    ...(tls.key === undefined ? {} : { key: readFileSync(tls.key) }),
    ...(tls.ca === undefined ? {} : { ca: readFileSync(tls.ca) }),
    requestCert: tls.ca !== undefined,
    rejectUnauthorized: tls.requireCert,
    minVersion: tls.minVersion,
  };
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
