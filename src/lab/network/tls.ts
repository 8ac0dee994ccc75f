// TLS over a stream: the octets and round trips of its handshakes, and its records. No cryptography: what is sealed is filled with zeros.

// The flights, RFC 8446, section 2, and RFC 5246, section 7.3:
//   1.3   hello ▶   ◀ hello, certificate, finished   finished, data ▶   ◀ tickets
//   1.2   hello ▶   ◀ hello, certificate, done       key, finished ▶   ◀ ticket, finished   data ▶
//   1.2 resumed   hello ▶   ◀ hello, finished   finished, data ▶

import type { Kind } from './tally.ts';
import { NO_SINK, type Stream, type StreamSink } from './tcp.ts';

export type TlsVersion = '1.3' | '1.2';

/** What the sizes of a handshake depend on. Octets. */
export interface TlsSpec {
  readonly version: TlsVersion;
  readonly serverName: string;
  /** DER, the server's own first. */
  readonly certificates: readonly number[];
  /** ECDSA with P-256: 70 to 72; Ed25519: 64; RSA 2048: 256. */
  readonly signatureBytes: number;
}

/** A private authority's certificate for `hub.example` with a P-256 key, and nothing above it: about the least there is. */
export const TLS_DEFAULTS: TlsSpec = {
  version: '1.3',
  serverName: 'hub.example',
  certificates: [389],
  signatureBytes: 71,
};

const RECORD = 5;
const MESSAGE = 4;
/** Content type 1 and AEAD tag 16 in TLS 1.3; explicit nonce 8 and tag 16 in 1.2 (AES-GCM, RFC 5288). */
const SEAL = { '1.3': 17, '1.2': 24 } as const;
const CHANGE_CIPHER_SPEC = 6;
const MAX_PLAINTEXT = 16_384;
const APPLICATION_DATA = 23;
const ALERT = 21;
const ALERT_BYTES = 2;

// One suite, X25519 (1.2 also names P-256 for the certificate), ecdsa_secp256r1_sha256 and ed25519: as OpenSSL 3 writes it.
/** version 2, random 32, session id 1 + 32, suites 2 + 4, compression 2, extensions 2 + 93 + 9 + name */
const HELLO_13 = 2 + 32 + 33 + 6 + 2 + 2 + 93 + 9;
/** version 2, random 32, session id 1, suites 2 + 4, compression 2, extensions 2 + 40 + 9 + name */
const HELLO_12 = 2 + 32 + 1 + 6 + 2 + 2 + 40 + 9;
const SERVER_HELLO_13 = 127;
const SERVER_HELLO_12 = 70;
const SERVER_HELLO_12_RESUMED = 90;
const TICKET_13 = 224;
const TICKET_12 = 192;
const TICKETS_13 = 2;
const HASH = 32;
const SHARE = 32;
const FINISHED_12 = 12;

/** What each side says, in turn, the client first; and what the server adds once the client is in. */
export interface Flights {
  readonly turns: readonly number[];
  readonly tickets: number;
}

export function flightsOf(spec: TlsSpec, resumed: boolean): Flights {
  return spec.version === '1.3' ? flights13(spec, resumed) : flights12(spec, resumed);
}

function flights13(spec: TlsSpec, resumed: boolean): Flights {
  const sealed = (message: number): number => RECORD + MESSAGE + message + SEAL['1.3'];
  // pre_shared_key: extension 4, identities 2 + 2 + ticket + age 4, binders 2 + 1 + hash
  const offered = resumed ? 4 + 2 + 2 + TICKET_13 + 4 + 2 + 1 + HASH : 0;
  const hello = RECORD + MESSAGE + HELLO_13 + spec.serverName.length + offered;
  const chain = spec.certificates.reduce((sum, one) => sum + 3 + one + 2, 0);
  const proof = resumed ? 0 : sealed(1 + 3 + chain) + sealed(2 + 2 + spec.signatureBytes);
  const server = SERVER_HELLO_13 + (resumed ? 6 : 0) + CHANGE_CIPHER_SPEC + sealed(2) + proof + sealed(HASH);
  const tickets = resumed ? 0 : TICKETS_13 * sealed(4 + 4 + 1 + 8 + 2 + TICKET_13 + 2);
  return { turns: [hello, server, CHANGE_CIPHER_SPEC + sealed(HASH)], tickets };
}

function flights12(spec: TlsSpec, resumed: boolean): Flights {
  const finished = CHANGE_CIPHER_SPEC + RECORD + MESSAGE + FINISHED_12 + SEAL['1.2'];
  const hello = RECORD + MESSAGE + HELLO_12 + spec.serverName.length;
  if (resumed) {
    const turns = [hello + 32 + TICKET_12, SERVER_HELLO_12_RESUMED + finished, finished];
    return { turns, tickets: 0 };
  }
  const chain = spec.certificates.reduce((sum, one) => sum + 3 + one, 0);
  const certificate = RECORD + MESSAGE + 3 + chain;
  const share = RECORD + MESSAGE + 3 + 1 + SHARE + 2 + 2 + spec.signatureBytes;
  const done = RECORD + MESSAGE;
  const key = RECORD + MESSAGE + 1 + SHARE;
  const ticket = RECORD + MESSAGE + 4 + 2 + TICKET_12;
  const turns = [hello, SERVER_HELLO_12 + certificate + share + done, key + finished, ticket + finished];
  return { turns, tickets: 0 };
}

/** What a record adds to its content. */
export function recordOverhead(version: TlsVersion): number {
  return RECORD + SEAL[version];
}

/** A device's memory of its last session. */
export interface TlsMemory {
  resumable: boolean;
}

export class TlsEnd implements Stream, StreamSink {
  sink: StreamSink = NO_SINK;
  private readonly under: Stream;
  private readonly client: boolean;
  private readonly version: TlsVersion;
  private readonly memory: TlsMemory;
  private readonly flights: Flights;
  /** The turn that is being said. */
  private turn = 0;
  /** Octets of it that are still to come. */
  private awaited: number;
  private tickets = 0;
  private secured = false;
  private closing = false;
  private early: { readonly bytes: Uint8Array; readonly kind: Kind }[] = [];
  private earlyBytes = 0;
  private rest: Buffer = Buffer.alloc(0);

  /** Both ends must agree on `resumed`: the caller knows what the device remembers. */
  constructor(under: Stream, spec: TlsSpec, client: boolean, resumed: boolean, memory: TlsMemory) {
    this.under = under;
    this.client = client;
    this.version = spec.version;
    this.memory = memory;
    this.flights = flightsOf(spec, resumed);
    this.awaited = this.flights.turns[client ? 1 : 0]!;
    under.sink = this;
  }

  // ---- from above

  get unsent(): number {
    return this.under.unsent + this.earlyBytes;
  }

  write(bytes: Uint8Array, kind: Kind): void {
    if (this.closing) return;
    if (!this.secured) {
      this.early.push({ bytes, kind });
      this.earlyBytes += bytes.length;
      return;
    }
    for (let at = 0; at < bytes.length; at += MAX_PLAINTEXT) {
      this.record(APPLICATION_DATA, bytes.subarray(at, at + MAX_PLAINTEXT), kind);
    }
  }

  private record(type: number, content: Uint8Array, kind: Kind): void {
    const length = content.length + SEAL[this.version];
    this.under.write(Uint8Array.of(type, 3, 3, length >> 8, length & 0xff), 'security');
    this.under.write(content, kind);
    this.under.write(new Uint8Array(SEAL[this.version]), 'security');
  }

  end(): void {
    if (this.closing) return;
    this.sayClose();
    this.under.end();
  }

  private sayClose(): void {
    this.closing = true;
    if (!this.secured) return;
    // In 1.3 the type is under the seal and takes as much room; here it is told apart by it.
    this.record(ALERT, new Uint8Array(ALERT_BYTES), 'security');
  }

  destroy(): void {
    this.under.destroy();
  }

  pause(): void {
    this.under.pause();
  }

  resume(): void {
    this.under.resume();
  }

  // ---- from below

  opened(): void {
    if (this.client) this.say();
  }

  /** Says this turn, and waits for the next one. */
  private say(): void {
    const { turns } = this.flights;
    this.under.write(new Uint8Array(turns[this.turn]!), 'security');
    this.turn++;
    if (this.turn === turns.length) this.secure();
    else this.awaited = turns[this.turn]!;
  }

  private secure(): void {
    this.secured = true;
    if (this.client) this.tickets = this.flights.tickets;
    else this.under.write(new Uint8Array(this.flights.tickets), 'security');
    this.memory.resumable = true;
    this.sink.opened();
    this.earlyBytes = 0;
    for (const { bytes, kind } of this.early.splice(0)) this.write(bytes, kind);
  }

  received(bytes: Uint8Array): void {
    let at = 0;
    while (!this.secured && at < bytes.length) {
      const part = Math.min(this.awaited, bytes.length - at);
      at += part;
      this.awaited -= part;
      if (this.awaited > 0) return;
      this.turn++;
      if (this.turn === this.flights.turns.length) this.secure();
      else this.say();
    }
    const skipped = Math.min(this.tickets, bytes.length - at);
    this.tickets -= skipped;
    at += skipped;
    if (at < bytes.length) this.open(bytes.subarray(at));
  }

  /** Gives the content of the records that are there whole. */
  private open(bytes: Uint8Array): void {
    const rest = this.rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.rest, bytes]);
    const seal = SEAL[this.version];
    let at = 0;
    while (at + RECORD <= rest.length) {
      const length = rest.readUInt16BE(at + 3);
      if (at + RECORD + length > rest.length) break;
      const type = rest[at];
      const content = rest.subarray(at + RECORD, at + RECORD + length - seal);
      at += RECORD + length;
      this.rest = rest.subarray(at);
      if (type === ALERT) this.goodbye();
      else this.sink.received(content);
    }
    this.rest = rest.subarray(at);
  }

  private goodbye(): void {
    if (!this.closing) this.sayClose();
    this.sink.ended();
  }

  drained(): void {
    this.sink.drained();
  }

  ended(): void {
    this.sink.ended();
  }

  failed(): void {
    this.sink.failed();
  }
}
