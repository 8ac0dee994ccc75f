// Certificates of a TLS server: made ready by server name, and replaced while it runs.

import { randomBytes } from 'node:crypto';
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type Server as TlsServer,
} from 'node:tls';

/** A certificate chain, its private key, and who may sign client certificates; PEM. */
export interface Credentials {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  readonly passphrase?: string;
  /** For client certificates. Default: the system's authorities, which is rarely what is wanted. */
  readonly ca?: string | Uint8Array;
  /** Certificate revocation list, PEM. */
  readonly crl?: string | Uint8Array;
}

/** What `load` can replace while connections go on. */
export interface TlsCredentials {
  /** May be absent only where pre-shared keys are offered. */
  readonly credentials?: Credentials;
  /** By the server name that the client asks for (SNI): `a.example` or `*.example` (one label). Others get `credentials`. */
  readonly byServerName?: Readonly<Record<string, Credentials>>;
}

const TICKET_KEY_BYTES = 48;

/** The contexts of one server. `shared` are the options that every one of them has: versions, ciphers. */
export class Contexts {
  private readonly shared: SecureContextOptions;
  private byName = new Map<string, SecureContext>();

  constructor(shared: SecureContextOptions) {
    this.shared = shared;
  }

  /** The context for a server name; undefined: the server's own. Give it to the server as its SNICallback. */
  readonly choose = (
    serverName: string,
    done: (error: Error | null, context?: SecureContext) => void,
  ): void => {
    const name = serverName.toLowerCase();
    done(null, this.byName.get(name) ?? this.byName.get(name.replace(/^[^.]*/, '*')));
  };

  options(c: Credentials | undefined): SecureContextOptions {
    if (c === undefined) return this.shared;
    return {
      ...this.shared,
      cert: asBuffer(c.cert),
      key: asBuffer(c.key),
      ...(c.passphrase === undefined ? {} : { passphrase: c.passphrase }),
      ...(c.ca === undefined ? {} : { ca: asBuffer(c.ca) }),
      ...(c.crl === undefined ? {} : { crl: asBuffer(c.crl) }),
    };
  }

  /** Gives `server` new certificates. All of it is built before any of it is used: a broken file leaves what was there. */
  load(server: TlsServer, c: TlsCredentials): void {
    const byName = new Map<string, SecureContext>();
    for (const [name, credentials] of Object.entries(c.byServerName ?? {})) {
      byName.set(name.toLowerCase(), createSecureContext(this.options(credentials)));
    }
    const options = this.options(c.credentials);
    createSecureContext(options);
    server.setSecureContext(options);
    // A ticket of before would carry a client past certificates and revocations that are new.
    server.setTicketKeys(randomBytes(TICKET_KEY_BYTES));
    this.byName = byName;
  }
}

function asBuffer(pem: string | Uint8Array): string | Buffer {
  return typeof pem === 'string' ? pem : Buffer.from(pem);
}
