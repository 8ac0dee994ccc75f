// The client's end of a connection that carries requests: they are answered in their order. [RFC9112-9.3]

import { joined } from '../../bytes/joined.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { type HeaderFields, type HttpParts, HttpReader } from './framing.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly fields: HeaderFields;
  readonly body: Uint8Array;
}

/** Undefined: the connection ended first. */
export type Answered = (answer: HttpAnswer | undefined) => void;

/** What a reader of answers must know of their start lines. Throws ProtocolError. */
export function statusOf(line: string): number {
  const found = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(line);
  if (found === null) throw new ProtocolError('RFC9112-4', 'a status line that is none');
  return Number(found[1]);
}

/** Answers that never have a body. [RFC9112-6.3] */
export function isBare(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}

export class Exchanges implements Peer, HttpParts {
  readonly more = true;
  private readonly wire: Wire;
  private readonly gone: (idle: boolean) => void;
  private readonly reader: HttpReader;
  private readonly asked: Answered[] = [];
  private status = 0;
  private fields: HeaderFields = {};
  private parts: Uint8Array[] = [];

  /** `gone`: the connection is over, `idle` between two requests; every request was told before. */
  constructor(wire: Wire, gone: (idle: boolean) => void) {
    this.wire = wire;
    this.gone = gone;
    this.reader = new HttpReader({ side: 'client', maxBodyBytes: wire.limits.maxPacketBytes }, this);
  }

  ask(head: Uint8Array, body: Uint8Array, answered: Answered): void {
    this.asked.push(answered);
    this.wire.write(head);
    if (body.length > 0) this.wire.write(body);
  }

  receive(bytes: Uint8Array, start: number, end: number): number {
    return this.reader.receive(bytes, start, end);
  }

  head(line: string, fields: HeaderFields): boolean {
    if (this.asked.length === 0) throw new ProtocolError('RFC9112-9.2', 'an answer to nothing');
    this.status = statusOf(line);
    this.fields = fields;
    return !isBare(this.status);
  }

  body(bytes: Uint8Array, start: number, end: number): void {
    this.parts.push(bytes.slice(start, end));
  }

  end(): void {
    const body = joined(this.parts);
    this.parts = [];
    if (this.status < 200) return; // the answer itself is still to come [RFC9110-15.2]
    this.asked.shift()!({ status: this.status, fields: this.fields, body });
  }

  drained(): void {}

  wake(): void {}

  broken(): void {}

  lost(): void {
    this.reader.close();
    const unanswered = this.asked.splice(0);
    for (const answered of unanswered) answered(undefined);
    this.gone(unanswered.length === 0);
  }
}
