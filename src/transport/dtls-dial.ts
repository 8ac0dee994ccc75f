// The client's end of DTLS over a UDP socket: for commands, bridges and tests.

import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { NEVER } from '../contract/message.ts';
import { now } from './clock.ts';
import type { Port, Proof } from './dtls/association.ts';
import { readCertificates, readCertified } from './dtls/certificates.ts';
import { ClientAssociation, type ClientSettings } from './dtls/client.ts';
import { HandshakeFailed } from './dtls/failure.ts';

export interface DtlsDialOptions
  extends Pick<
    ClientSettings,
    'preShared' | 'suites' | 'session' | 'keepSession' | 'handshakeMs' | 'maxDatagramBytes'
  > {
  /** A name or an address; the server's certificate must be for it, or for `serverName`. */
  readonly host: string;
  readonly port: number;
  readonly serverName?: string;
  /** Who vouches for the server, PEM. */
  readonly ca?: string | Uint8Array;
  /** Take any certificate. */
  readonly insecure?: boolean;
  /** Our own, PEM, shown when the server asks. */
  readonly credentials?: { readonly cert: string | Uint8Array; readonly key: string | Uint8Array };
  /** Agree on connection ids, so that the server knows us behind another address. Default: true. */
  readonly connectionId?: boolean;
  /** Called with each datagram's content. */
  readonly received: (content: Uint8Array) => void;
  /** Called once, after the socket was open. */
  readonly closed?: (why: string, graceful: boolean) => void;
}

export interface DtlsSocket {
  /** What the handshake came to; there from the start. */
  readonly proof: Proof | undefined;
  /** False: too large for one record, or closed. */
  send(content: Uint8Array): boolean;
  /** Says goodbye and closes. */
  close(): void;
}

/** Resolves when the handshake is done. Rejects with HandshakeFailed, or with the system's error. */
export async function dialDtls(o: DtlsDialOptions): Promise<DtlsSocket> {
  const host = o.host.replace(/^\[|\]$/g, '');
  const { address, family } = await lookup(host);
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(o.port, address, () => {
      socket.off('error', reject);
      resolve();
    });
  });
  return new Promise((resolve, reject) => {
    new Dialled(socket, o, settingsOf(o, host), resolve, reject).begin();
  });
}

function settingsOf(o: DtlsDialOptions, host: string): ClientSettings {
  return {
    ...(o.preShared === undefined ? {} : { preShared: o.preShared }),
    ...(o.suites === undefined ? {} : { suites: o.suites }),
    ...(o.session === undefined ? {} : { session: o.session }),
    ...(o.keepSession === undefined ? {} : { keepSession: o.keepSession }),
    ...(o.handshakeMs === undefined ? {} : { handshakeMs: o.handshakeMs }),
    ...(o.maxDatagramBytes === undefined ? {} : { maxDatagramBytes: o.maxDatagramBytes }),
    ...(o.ca === undefined ? {} : { authorities: readCertificates(o.ca) }),
    ...(o.credentials === undefined ? {} : { certified: readCertified(o.credentials) }),
    // One server sends to one socket: records to us need no id.
    ...(o.connectionId === false ? {} : { connectionId: new Uint8Array(0) }),
    anyServer: o.insecure === true,
    serverName: o.serverName ?? host,
  };
}

class Dialled implements DtlsSocket {
  proof: Proof | undefined;
  private readonly socket: Socket;
  private readonly options: DtlsDialOptions;
  private readonly association: ClientAssociation;
  private readonly resolve: (socket: DtlsSocket) => void;
  private readonly reject: (why: Error) => void;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    socket: Socket,
    options: DtlsDialOptions,
    settings: ClientSettings,
    resolve: (socket: DtlsSocket) => void,
    reject: (why: Error) => void,
  ) {
    this.socket = socket;
    this.options = options;
    this.resolve = resolve;
    this.reject = reject;
    this.association = new ClientAssociation(this.port(), settings, now());
    socket.on('message', (datagram) => {
      this.association.receive(datagram, now());
      this.arm();
    });
    // "Connection refused" and the like may be forged, and may pass: the handshake's own time limit decides.
    socket.on('error', () => undefined);
  }

  begin(): void {
    this.association.begin(now());
    this.arm();
  }

  private arm(): void {
    clearTimeout(this.timer);
    const at = this.association.wakeAt;
    if (at === NEVER) return;
    this.timer = setTimeout(
      () => {
        this.association.wake(now());
        this.arm();
      },
      Math.max(0, at - now()),
    );
  }

  send(content: Uint8Array): boolean {
    const datagram = this.association.seal(content);
    if (datagram !== undefined) this.carry(datagram);
    return datagram !== undefined;
  }

  close(): void {
    this.association.close(now());
  }

  /** What the association sees: datagrams go out here, content comes in. */
  private port(): Port {
    return {
      send: (datagram) => this.carry(datagram),
      newest: () => undefined,
      opened: (proof) => {
        this.proof = proof;
        this.resolve(this);
      },
      received: (content) => this.options.received(content),
      closed: (why, graceful) => this.closed(why, graceful),
    };
  }

  private carry(datagram: Uint8Array): void {
    this.socket.send(datagram, () => undefined);
  }

  private closed(why: string, graceful: boolean): void {
    clearTimeout(this.timer);
    // After the datagrams that are on their way to the kernel.
    setImmediate(() => this.socket.close());
    if (this.proof === undefined) this.reject(new HandshakeFailed(why, this.association.alert));
    else this.options.closed?.(why, graceful);
  }
}
