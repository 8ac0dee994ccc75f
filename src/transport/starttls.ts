// TLS that begins inside of a plain connection (STARTTLS): certificates that can be reloaded, client certificates, SNI.

import type { Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { WireIdentity } from '../contract/wire.ts';
import { Contexts, type TlsCredentials } from './contexts.ts';
import { connectionName } from './fronted.ts';
import { identityOf } from './identity.ts';
import type { Securer } from './listener.ts';

export interface StartTlsOptions extends TlsCredentials {
  /** Ask for a client certificate; a verified one becomes the wire's identity. */
  readonly requestCertificate?: boolean;
  /** Refuse clients without a verified certificate. */
  readonly requireCertificate?: boolean;
  /** Default: TLSv1.2. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Default: 10,000. */
  readonly handshakeMs?: number;
}

type Secured = (socket: TLSSocket, identity: WireIdentity) => void;

/** A TLS server that never listens: it is given connections. Throws OpenSSL's error when a certificate or key is not usable. */
export class StartTls implements Securer {
  private readonly contexts: Contexts;
  private readonly server: TlsServer;
  /** Handshakes under way, by `connectionName`: a TLS socket does not name the one that it was made from. */
  private readonly waiting = new Map<string, Secured>();

  constructor(o: StartTlsOptions) {
    this.contexts = new Contexts({ minVersion: o.minVersion ?? 'TLSv1.2', honorCipherOrder: true });
    this.server = createTlsServer({
      allowHalfOpen: true,
      handshakeTimeout: o.handshakeMs ?? 10_000,
      requestCert: o.requestCertificate === true || o.requireCertificate === true,
      rejectUnauthorized: o.requireCertificate === true,
      SNICallback: this.contexts.choose,
      ...this.contexts.options(o.credentials),
    });
    this.load(o);
    this.server.on('secureConnection', (socket: TLSSocket) => {
      const name = connectionName(socket);
      const secured = this.waiting.get(name);
      this.waiting.delete(name);
      // It was reset in the same moment.
      if (secured === undefined) socket.destroy();
      else secured(socket, identityOf(socket, undefined));
    });
    this.server.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  load(c: TlsCredentials): void {
    this.contexts.load(this.server, c);
  }

  secure(socket: Socket, secured: Secured): void {
    const name = connectionName(socket);
    this.waiting.set(name, secured);
    socket.once('close', () => this.waiting.delete(name));
    this.server.emit('connection', socket);
  }
}
