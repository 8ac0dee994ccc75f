// The web listeners: one HTTP server with the page, metrics, health and the WebSocket paths.

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Health } from '../admin/health.ts';
import { webRoutes } from '../admin/web.ts';
import type { OwnedHub } from '../contract/hub.ts';
import type { Protocol } from '../contract/wire.ts';
import { type Listener, type ListenerOptions, remoteName } from '../transport/listener.ts';
import { attachWebSocket, type WebSocketRoutes } from '../transport/websocket.ts';
import { isSecure, type PlannedListener } from './config/listeners.ts';
import type { Config, TlsConfig } from './config/schema.ts';
import { type OpenListener, tower } from './listeners.ts';

export interface WebParts {
  readonly config: Config['web'];
  readonly metrics: () => string;
  readonly health: () => Health;
}

const PAGE = new URL('../admin/page.html', import.meta.url);

export async function listenWeb(
  host: string,
  plan: PlannedListener,
  hub: OwnedHub,
  options: ListenerOptions,
  parts: WebParts,
): Promise<OpenListener> {
  const { config } = parts;
  const routes = webRoutes({
    page: config.page ? readFileSync(PAGE, 'utf8').replace('__JSON_PATH__', config.json) : undefined,
    metrics: config.metrics ? parts.metrics : undefined,
    health: config.health ? parts.health : undefined,
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

function webSocketRoutes(plan: PlannedListener, config: Config['web']): WebSocketRoutes {
  const routes: Record<string, Record<string, Protocol>> = {};
  if (plan.protocols.includes('mqtt')) {
    const mqtt = tower('mqtt', plan);
    routes[config.mqtt] = { mqtt, 'mqttv3.1': mqtt };
  }
  if (plan.protocols.includes('waymeet')) routes[config.json] = { 'waymeet.v1': tower('waymeet', plan) };
  if (plan.protocols.includes('coap')) routes[config.coap] = { coap: tower('coap', plan) };
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
