// The TLS listener: certificates that can be reloaded, client certificates, SNI, ALPN and pre-shared keys.

import { constants } from 'node:crypto';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  DEFAULT_CIPHERS,
  type TlsOptions as NodeTlsOptions,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import type { Hub } from '../contract/hub.ts';
import type { Protocol } from '../contract/wire.ts';
import { Contexts, type TlsCredentials } from './contexts.ts';
import { connectionName, readProxyHeader } from './fronted.ts';
import { identityOf } from './identity.ts';
import {
  Gate,
  type Guarded,
  type Listener,
  type ListenerOptions,
  plainAddress,
  remoteName,
} from './listener.ts';
import { chooseProtocol } from './opening.ts';
import type { ProxyHeader } from './proxy.ts';
import { SocketWire } from './sockets.ts';
import { hostPort, StreamListener, started, tcpOptions } from './tcp.ts';

export interface TlsOptions extends ListenerOptions, TlsCredentials {
  readonly port: number;
  readonly host?: string;
  readonly reusePort?: boolean;
  /** Ask for a client certificate; a verified one becomes the wire's identity. */
  readonly requestCertificate?: boolean;
  /** Refuse clients without a verified certificate. */
  readonly requireCertificate?: boolean;
  /** Default: TLSv1.2. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly ciphers?: string;
  /** Protocol names that a client may ask for by ALPN. Default: `mqtt` alone. Clients that do not use ALPN are welcome. */
  readonly alpn?: readonly string[];
  /** Refuse clients that offer other ALPN names only [RFC7301-3.2]. Default: true. */
  readonly alpnStrict?: boolean;
  /** Pre-shared keys: identity → key, undefined for an unknown one. */
  readonly preSharedKey?: (identity: string) => Uint8Array | undefined;
  /** Default: 10,000. */
  readonly handshakeMs?: number;
}

/** A listener whose certificates can change. */
export interface TlsListener extends Listener {
  /** Connections made from now on see these; throws, and changes nothing, when they are not usable. */
  reload(credentials: TlsCredentials): void;
}

const DEFAULT_HANDSHAKE_MS = 10_000;
/** Forward secrecy first. OpenSSL leaves PSK out of its default list, because a server without keys has no use for it. */
const PSK_CIPHERS =
  'ECDHE-PSK-CHACHA20-POLY1305:DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES128-GCM-SHA256:ECDHE-PSK-AES256-CBC-SHA384:' +
  'ECDHE-PSK-AES128-CBC-SHA256:PSK-AES256-GCM-SHA384:PSK-AES128-GCM-SHA256:PSK-AES128-CCM8:PSK-AES128-CBC-SHA256';

/** Rejects with the system's error, or with OpenSSL's when a certificate or key is not usable. */
export async function listenTls(
  protocols: readonly Protocol[],
  hub: Hub,
  o: TlsOptions,
): Promise<TlsListener> {
  const gate = new Gate(protocols, hub, true, o);
  const front = new TlsFront(gate, o);
  const server = await front.listen(tcpOptions(o));
  return new SecureListener(gate, server, `${protocols[0]!.name}s://${hostPort(server)}`, front);
}

class SecureListener extends StreamListener implements TlsListener {
  private readonly front: TlsFront;

  constructor(gate: Gate, server: Server, address: string, front: TlsFront) {
    super(gate, server, address);
    this.front = front;
  }

  reload(credentials: TlsCredentials): void {
    this.front.load(credentials);
  }
}

/** A plain server accepts, limits and reads the proxy's header; each connection is then given to a TLS server that never listens. */
class TlsFront {
  private readonly gate: Gate;
  private readonly tls: TlsServer;
  private readonly contexts: Contexts;
  private readonly pskIdentities = new WeakMap<Socket, string>();
  /** Connections that are not secured yet, by `connectionName`: a TLS socket does not name the one that it was made from. */
  private readonly handshakes = new Map<string, Handshake>();

  constructor(gate: Gate, o: TlsOptions) {
    if (o.credentials === undefined && o.preSharedKey === undefined) {
      throw new RangeError(`listener ${o.name}: neither a certificate nor pre-shared keys`);
    }
    this.gate = gate;
    const base = o.ciphers ?? DEFAULT_CIPHERS;
    const keyed = o.preSharedKey !== undefined;
    this.contexts = new Contexts({
      minVersion: o.minVersion ?? 'TLSv1.2',
      ciphers: keyed ? `${base.replaceAll(':!PSK', '')}:${PSK_CIPHERS}` : base,
      honorCipherOrder: true,
      // A resumed session would not say which pre-shared key began it.
      ...(keyed ? { secureOptions: constants.SSL_OP_NO_TICKET } : {}),
    });
    this.tls = createTlsServer(this.serverOptions(o));
    this.load(o);
    this.tls.on('secureConnection', (socket) => this.secured(socket));
    this.tls.on('tlsClientError', (error, socket) => {
      gate.counters.refused++;
      gate.loop.log('debug', `TLS handshake failed: ${error.message}`, { listener: gate.name });
      socket.destroy();
    });
  }

  private serverOptions(o: TlsOptions): NodeTlsOptions {
    const alpn = o.alpn ?? ['mqtt'];
    const strict = o.alpnStrict ?? true;
    const find = o.preSharedKey;
    return {
      allowHalfOpen: true,
      handshakeTimeout: o.handshakeMs ?? DEFAULT_HANDSHAKE_MS,
      requestCert: o.requestCertificate === true || o.requireCertificate === true,
      rejectUnauthorized: o.requireCertificate === true,
      SNICallback: this.contexts.choose,
      // Undefined refuses with the alert no_application_protocol.
      ALPNCallback: ({ protocols }) =>
        alpn.find((p) => protocols.includes(p)) ?? (strict ? undefined : protocols[0]),
      ...(find === undefined
        ? {}
        : {
            pskCallback: (socket: TLSSocket, identity: string) => {
              const key = find(identity);
              if (key === undefined) return null;
              this.pskIdentities.set(socket, identity);
              return key;
            },
          }),
      ...this.contexts.options(o.credentials),
    };
  }

  load(c: TlsCredentials): void {
    this.contexts.load(this.tls, c);
  }

  async listen(where: ListenOptions): Promise<Server> {
    const gate = this.gate;
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    });
    server.on('connection', (socket: Socket) => this.accepted(socket));
    await started(server, where);
    server.on('error', (error) => gate.complain(error));
    return server;
  }

  private accepted(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress ?? '');
    if (!this.gate.admits(address)) {
      socket.destroy();
      return;
    }
    const handshake = new Handshake(socket, address);
    const name = connectionName(socket);
    this.handshakes.set(name, handshake);
    this.gate.enter(handshake);
    socket.once('close', () => {
      this.handshakes.delete(name);
      this.gate.leave(handshake);
    });
    socket.on('error', () => socket.destroy());
    if (this.gate.proxy) this.readProxyHeader(handshake);
    else this.tls.emit('connection', socket);
  }

  /** The header comes in the clear, in front of the handshake. */
  private readProxyHeader(handshake: Handshake): void {
    const { socket } = handshake;
    readProxyHeader(
      socket,
      this.gate.firstByteMs,
      (header) => {
        if (this.proxied(handshake, header)) this.tls.emit('connection', socket);
      },
      (why) => {
        this.gate.counters.broken++;
        this.gate.loop.log('debug', `no PROXY header: ${String(why)}`, { listener: this.gate.name });
      },
    );
  }

  /** Takes the address that the proxy tells. False: it is not welcome. */
  private proxied(handshake: Handshake, { source }: ProxyHeader): boolean {
    if (source === undefined) return true;
    const address = plainAddress(source.address);
    if (!this.gate.admitsAddress(address)) {
      this.gate.counters.refused++;
      handshake.destroy();
      return false;
    }
    this.gate.moved(handshake.address, address);
    handshake.address = address;
    handshake.remote = remoteName(address, source.port);
    return true;
  }

  private secured(socket: TLSSocket): void {
    const handshake = this.handshakes.get(connectionName(socket));
    // It was reset in the same moment, and has no name any more.
    if (handshake === undefined) {
      socket.destroy();
      return;
    }
    // The wire takes the place that its handshake held.
    this.gate.leave(handshake);
    const identity = identityOf(socket, this.pskIdentities.get(socket));
    new SocketWire(this.gate, socket, handshake.address, handshake.remote, identity).begin(chooseProtocol);
  }
}

/** A connection between its acceptance and the end of its handshake; it counts like any other. */
class Handshake implements Guarded {
  readonly socket: Socket;
  address: string;
  remote: string;

  constructor(socket: Socket, address: string) {
    this.socket = socket;
    this.address = address;
    this.remote = remoteName(address, socket.remotePort ?? 0);
  }

  destroy(): void {
    this.socket.destroy();
  }
}
