// The client's end of a connection that carries server-sent events: one request, and an answer without end.

import { joined } from '../../bytes/joined.ts';
import { NEVER } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { type HttpAnswer, isBare, statusOf } from './exchanges.ts';
import { type HeaderFields, type HttpParts, HttpReader } from './framing.ts';

/** The hub says something every 15 s. */
const SILENCE_MS = 45_000;

export interface EventsHost {
  /** An event with its data, whole. */
  event(type: string, data: string, now: number): void;
  /** There will be no events: this came instead, or undefined, the end. */
  refused(answer: HttpAnswer | undefined): void;
  /** The stream is over; `refused` was told before, if it never began. */
  gone(): void;
  now(): number;
}

export class Events implements Peer, HttpParts {
  readonly more = true;
  private readonly wire: Wire;
  private readonly host: EventsHost;
  private readonly reader: HttpReader;
  private readonly decoder = new TextDecoder();
  private status = 0;
  private fields: HeaderFields = {};
  private parts: Uint8Array[] = [];
  private begun = false;
  private told = false;
  /** The part of a line that came. */
  private line = '';
  private type = '';
  private data = '';
  private heardAt: number;

  constructor(wire: Wire, host: EventsHost, request: Uint8Array) {
    this.wire = wire;
    this.host = host;
    this.reader = new HttpReader({ side: 'client', maxBodyBytes: NEVER }, this);
    this.heardAt = host.now();
    wire.write(request);
    wire.wake(this.heardAt + SILENCE_MS);
  }

  close(): void {
    this.wire.end();
  }

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heardAt = now;
    return this.reader.receive(bytes, start, end);
  }

  head(line: string, fields: HeaderFields): boolean {
    if (this.told) throw new ProtocolError('RFC9112-9.2', 'an answer to nothing');
    this.status = statusOf(line);
    this.fields = fields;
    this.begun = this.status === 200 && fields['content-type']?.startsWith('text/event-stream') === true;
    return !isBare(this.status);
  }

  body(bytes: Uint8Array, start: number, end: number): void {
    if (!this.begun) {
      this.bound(end - start);
      this.parts.push(bytes.slice(start, end));
      return;
    }
    const text = this.decoder.decode(bytes.subarray(start, end), { stream: true });
    // A long line comes in many pieces: it is looked through once, at its end.
    if (!text.includes('\n')) this.line += text;
    else {
      const lines = (this.line + text).split('\n');
      this.line = lines.pop()!;
      for (const line of lines) this.read(line.endsWith('\r') ? line.slice(0, -1) : line);
    }
    this.bound(this.line.length + this.data.length);
  }

  private bound(more: number): void {
    let length = more;
    for (const part of this.parts) length += part.length;
    if (length > this.wire.limits.maxPacketBytes)
      throw new ProtocolError('WHATWG-sse', 'an event without end');
  }

  /** A line of a stream of events; an empty one ends an event. */
  private read(line: string): void {
    if (line === '') {
      const { type, data } = this;
      this.type = '';
      this.data = '';
      if (data !== '') this.host.event(type === '' ? 'message' : type, data, this.heardAt);
    } else if (line.startsWith('data:')) {
      const more = line.slice(line[5] === ' ' ? 6 : 5);
      this.data = this.data === '' ? more : `${this.data}\n${more}`;
    } else if (line.startsWith('event:')) this.type = line.slice(6).trim();
  }

  end(): void {
    if (this.status < 200) return;
    if (!this.begun) this.refuse({ status: this.status, fields: this.fields, body: joined(this.parts) });
    this.told = true;
    this.wire.end();
  }

  private refuse(answer: HttpAnswer | undefined): void {
    if (this.told) return;
    this.told = true;
    this.host.refused(answer);
  }

  drained(): void {}

  wake(now: number): void {
    if (now - this.heardAt >= SILENCE_MS) this.wire.destroy();
    else this.wire.wake(this.heardAt + SILENCE_MS);
  }

  broken(): void {}

  lost(): void {
    if (!this.begun) this.refuse(undefined);
    this.host.gone();
  }
}
