// The server's door: a ClientHello is answered with a cookie, and nothing is remembered of it, until it comes back with the cookie.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { ProtocolError } from '../../contract/outcome.ts';
import { DTLS_1_0, HANDSHAKE, RECORD } from './codes.ts';
import { decodeFragments, encodeWhole } from './fragments.ts';
import { type ClientHello, decodeClientHello, encodeHelloVerifyRequest } from './hello.ts';
import { join, numbers } from './octets.ts';
import { plainRecord, splitDatagram } from './record.ts';
import type { FirstHello } from './server.ts';

const COOKIE_BYTES = 16;
const SECRET_BYTES = 32;
/** A cookie is good for one to two of these. */
const SECRET_MS = 60_000;

/** What to do with a datagram of somebody unknown. */
export type Knock =
  | { readonly kind: 'ignore' }
  /** Never larger than what it answers: who forges an address gains nothing. */
  | { readonly kind: 'answer'; readonly datagram: Uint8Array }
  | { readonly kind: 'enter'; readonly first: FirstHello };

const IGNORE: Knock = { kind: 'ignore' };

export class Door {
  private secret = randomBytes(SECRET_BYTES);
  private previous = randomBytes(SECRET_BYTES);
  private changeAt: number;

  constructor(now: number) {
    this.changeAt = now + SECRET_MS;
  }

  /** `address`: whatever names the remote, address and port. */
  knock(datagram: Uint8Array, address: string, now: number): Knock {
    // The whole hello in its first record: one in pieces would have to be remembered before it has proven anything.
    const record = splitDatagram(datagram, 0)[0];
    if (record === undefined || record.epoch !== 0 || record.type !== RECORD.handshake) return IGNORE;
    const fragment = decodeFragments(record.fragment)?.[0];
    if (fragment === undefined || fragment.type !== HANDSHAKE.clientHello) return IGNORE;
    if (fragment.bytes.length !== fragment.total) return IGNORE;
    const message = { type: fragment.type, sequence: fragment.sequence, body: fragment.bytes };
    const hello = this.decode(message.body);
    if (hello === undefined) return IGNORE;
    this.rotate(now);
    if (this.isRight(hello, address)) {
      // A copy: the datagram's memory is the socket's.
      const first = { message: { ...message, body: message.body.slice() }, recordSequence: record.sequence };
      return { kind: 'enter', first };
    }
    const body = encodeHelloVerifyRequest(cookieOf(this.secret, hello, address));
    const request = { type: HANDSHAKE.helloVerifyRequest, sequence: message.sequence, body };
    return {
      kind: 'answer',
      datagram: plainRecord(RECORD.handshake, record.sequence, encodeWhole(request), DTLS_1_0),
    };
  }

  private decode(body: Uint8Array): ClientHello | undefined {
    try {
      return decodeClientHello(body);
    } catch (error) {
      if (error instanceof ProtocolError) return undefined; // noise, from anybody
      throw error;
    }
  }

  private isRight(hello: ClientHello, address: string): boolean {
    if (hello.cookie.length !== COOKIE_BYTES) return false;
    return [this.secret, this.previous].some((secret) =>
      timingSafeEqual(cookieOf(secret, hello, address), hello.cookie),
    );
  }

  private rotate(now: number): void {
    if (now < this.changeAt) return;
    this.previous = now < this.changeAt + SECRET_MS ? this.secret : randomBytes(SECRET_BYTES);
    this.secret = randomBytes(SECRET_BYTES);
    this.changeAt = now + SECRET_MS;
  }
}

/** Of the address, and of what the second hello must repeat [RFC6347-4.2.1]. */
function cookieOf(secret: Uint8Array, hello: ClientHello, address: string): Uint8Array {
  const said = join(hello.random, hello.sessionId, numbers(hello.suites), hello.compressions);
  return createHmac('sha256', secret)
    .update(`${address}\n${hello.version}\n`)
    .update(said)
    .digest()
    .subarray(0, COOKIE_BYTES);
}
