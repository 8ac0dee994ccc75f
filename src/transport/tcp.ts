// The TCP listener, and what every listener on a net.Server shares.

import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import type { Hub } from '../contract/hub.ts';
import type { Protocol } from '../contract/wire.ts';
import { NOTHING_PROVEN } from './identity.ts';
import {
  BACKLOG,
  Gate,
  type Listener,
  type ListenerLimits,
  type ListenerOptions,
  plainAddress,
  remoteName,
} from './listener.ts';
import { openStream } from './opening.ts';
import { acceptRaw } from './rawtcp.ts';
import { SocketWire } from './sockets.ts';

export interface TcpOptions extends ListenerOptions {
  /** 0: any free one; `Listener.address` tells which. */
  readonly port: number;
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** Use Node's bare handles where it offers them, and where nothing begins TLS inside. Default: true. */
  readonly raw?: boolean;
  /** Several processes may listen on the port, and the kernel deals connections out among them. */
  readonly reusePort?: boolean;
}

/** Rejects with the system's error (EADDRINUSE, EACCES, …). */
export async function listenTcp(protocols: readonly Protocol[], hub: Hub, o: TcpOptions): Promise<Listener> {
  const gate = new Gate(protocols, hub, false, o);
  const server = await listenStream(gate, tcpOptions(o), (o.raw ?? true) && o.securer === undefined);
  return new StreamListener(gate, server, `${protocols[0]!.name}://${hostPort(server)}`);
}

/** What net.Server.listen is told. */
export function tcpOptions(o: { port: number; host?: string; reusePort?: boolean }): ListenOptions {
  const listen: ListenOptions & { reusePort?: boolean } = {
    port: o.port,
    host: o.host ?? '127.0.0.1',
    backlog: BACKLOG,
  };
  // Node 22 knows it, Node 20 ignores it.
  if (o.reusePort === true) listen.reusePort = true;
  return listen;
}

/** `127.0.0.1:1883`, where the server listens. */
export function hostPort(server: Server): string {
  const at = server.address();
  if (at === null || typeof at === 'string') return String(at);
  return remoteName(at.address, at.port);
}

/** A server of plain connections that become wires of `gate`. */
export async function listenStream(gate: Gate, where: ListenOptions, raw: boolean): Promise<Server> {
  const server = createServer({
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
  });
  server.on('connection', (socket: Socket) => {
    const address = plainAddress(socket.remoteAddress ?? '');
    if (!gate.admits(address)) {
      socket.destroy();
      return;
    }
    const remote = address === '' ? 'unix' : remoteName(address, socket.remotePort ?? 0);
    new SocketWire(gate, socket, address, remote, NOTHING_PROVEN).begin(openStream);
  });
  await started(server, where);
  server.on('error', (error) => gate.complain(error));
  if (raw) acceptRaw(server, gate);
  return server;
}

/** Resolves when the server listens. */
export function started(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

export class StreamListener implements Listener {
  readonly address: string;
  protected readonly gate: Gate;
  protected readonly server: Server;

  constructor(gate: Gate, server: Server, address: string) {
    this.gate = gate;
    this.server = server;
    this.address = address;
  }

  get name(): string {
    return this.gate.name;
  }

  get connections(): number {
    return this.gate.connections;
  }

  tune(limits: ListenerLimits): void {
    this.gate.tune(limits);
  }

  async close(): Promise<void> {
    // net.Server's own callback would wait for open connections too.
    if (this.server.listening) this.server.close();
  }

  ended(withinMs: number): Promise<void> {
    return this.gate.ended(withinMs);
  }
}
