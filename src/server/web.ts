// The web listeners: one HTTP server with the page, metrics, health and the WebSocket paths.

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Health } from '../admin/health.ts';
import { webRoutes } from '../admin/web.ts';
import type { OwnedHub } from '../contract/hub.ts';
import type { ListenerOptions } from '../transport/listener.ts';
import { remoteName } from '../transport/listener.ts';
import { isSecure, type PlannedListener } from './config/listeners.ts';
import type { Config, TlsConfig } from './config/schema.ts';
import type { OpenListener } from './listeners.ts';

export interface WebParts {
  readonly config: Config['web'];
  readonly metrics: () => string;
  readonly health: () => Health;
}

const PAGE = new URL('../admin/page.html', import.meta.url);

export async function listenWeb(
  host: string,
  plan: PlannedListener,
  _hub: OwnedHub,
  _options: ListenerOptions,
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
  await started(server, host, plan.port);
  const at = server.address() as AddressInfo;
  const listener = {
    name: plan.name,
    address: `${secure ? 'https' : 'http'}://${remoteName(at.address, at.port)}`,
    connections: 0,
    close: () => closed(server),
    ended: () => Promise.resolve(),
  };
  if (!secure) return { plan, listener };
  return { plan, listener, reload: () => (server as TlsServer).setSecureContext(tlsContext(plan.tls)) };
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

function closed(server: Server | TlsServer): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    server.closeIdleConnections();
  });
}
