// One HTTP request and its answer as a trace sees them. Node reads and writes the octets: here they are put together again, while somebody looks.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Tap, TappedWire } from '../contract/tap.ts';
import { encodeChunk } from '../protocol/http/framing.ts';
import { PROTOCOL } from '../protocol/http/peer.ts';

export class TracedExchange implements TappedWire {
  readonly protocol = PROTOCOL;
  readonly listener: string;
  /** Who asks, once that is known. */
  client = '';
  private readonly request: IncomingMessage;
  private readonly tap: () => Tap | undefined;
  private readonly remoteOf: (request: IncomingMessage) => string;
  private told = false;

  constructor(
    request: IncomingMessage,
    listener: string,
    tap: () => Tap | undefined,
    remoteOf: (request: IncomingMessage) => string,
  ) {
    this.request = request;
    this.listener = listener;
    this.tap = tap;
    this.remoteOf = remoteOf;
  }

  get remote(): string {
    return this.remoteOf(this.request);
  }

  /** The request as it came; a body that came in pieces as one piece, and undefined, it was not read. */
  asked(body: Uint8Array | undefined): void {
    if (this.told) return;
    this.told = true;
    const tap = this.tap();
    if (tap === undefined) return;
    const { method, url, httpVersion, rawHeaders, headers } = this.request;
    let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
    for (let i = 0; i < rawHeaders.length; i += 2) head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
    const whole = body ?? NOTHING;
    const pieces = body !== undefined && headers['transfer-encoding'] !== undefined;
    const rest = pieces ? joined(encodeChunk(whole), encodeChunk(NOTHING)) : whole;
    this.pass(tap, 'in', `${head}\r\n`, rest);
  }

  /** The answer with its body, or the head of a stream. `body` is what was sent of it. */
  answered(response: ServerResponse, body: string | Uint8Array): void {
    const tap = this.tap();
    if (tap === undefined) return;
    // What Node wrote, its own fields (Date, Connection) included.
    const { _header: head = '' } = response as ServerResponse & { readonly _header?: string };
    this.pass(tap, 'out', head, typeof body === 'string' ? Buffer.from(body) : body);
  }

  /** A piece of a stream. */
  wrote(text: string): void {
    const tap = this.tap();
    if (tap !== undefined) this.pass(tap, 'out', '', encodeChunk(Buffer.from(text)));
  }

  private pass(tap: Tap, direction: 'in' | 'out', head: string, rest: Uint8Array): void {
    const octets = joined(Buffer.from(head, 'latin1'), rest);
    tap.passed(this, direction, octets, 0, octets.length);
  }
}

const NOTHING = new Uint8Array(0);

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.length === 0 ? b : Buffer.concat([a, b]);
}
