// HTTP/1.1 on a stream, strictly: heads, bodies by length and in chunks, read piece by piece and written whole. [RFC9112]

import { ProtocolError } from '../../contract/outcome.ts';

/** Names in lower case; repeated fields joined with `, `. */
export type HeaderFields = Readonly<Record<string, string | undefined>>;

/** What a reader tells. The views are the transport's: copy what is kept. */
export interface HttpParts {
  /** A head: the start line and the fields. The answer says whether a body may follow at all (a response to HEAD has none). */
  head(line: string, fields: HeaderFields): boolean;
  body(bytes: Uint8Array, start: number, end: number): void;
  /** The message is over. The reader goes on only if `more` says so: else what follows comes again. */
  end(): void;
  readonly more: boolean;
}

export interface HttpReaderOptions {
  /** Requests without a length have no body; responses without one end with the connection. */
  readonly side: 'server' | 'client';
  readonly maxBodyBytes: number;
}

const MAX_HEAD_BYTES = 16_384;
const MAX_FIELDS = 100;
const MAX_CHUNK_LINE = 256;
const CR = 13;
const LF = 10;

const latin1 = new TextDecoder('latin1');

type State = 'head' | 'length' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer' | 'until-close';

/** head → (length | chunk-size → chunk → chunk-end → … → trailer | until-close) → head */
export class HttpReader {
  private readonly options: HttpReaderOptions;
  private readonly parts: HttpParts;
  private state: State = 'head';
  /** Octets that the body, or its chunk, still has. */
  private left = 0;
  private received = 0;

  constructor(options: HttpReaderOptions, parts: HttpParts) {
    this.options = options;
    this.parts = parts;
  }

  /** Returns the offset up to which `bytes` were read. Throws ProtocolError with the HTTP status as its code. */
  receive(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      if (this.state === 'head' && !this.parts.more) return at;
      const next = this.step(bytes, at, end);
      if (next === at) return at;
      at = next;
    }
    return at;
  }

  /** The connection ended. True: that was no loss, nothing had begun or it was the end of the body. */
  close(): boolean {
    if (this.state === 'until-close') {
      this.finish();
      return true;
    }
    return this.state === 'head';
  }

  private step(bytes: Uint8Array, at: number, end: number): number {
    switch (this.state) {
      case 'head':
        return this.readHead(bytes, at, end);
      case 'length':
      case 'chunk':
      case 'until-close':
        return this.readBody(bytes, at, end);
      case 'chunk-size':
        return this.readSize(bytes, at, end);
      case 'chunk-end':
        if (end - at < 2) return at;
        if (bytes[at] !== CR || bytes[at + 1] !== LF)
          throw broken('RFC9112-7.1', 'a chunk is longer than it says');
        this.state = 'chunk-size';
        return at + 2;
      case 'trailer':
        return this.readTrailer(bytes, at, end);
    }
  }

  private readHead(bytes: Uint8Array, start: number, end: number): number {
    // An empty line in front of a request is passed over [RFC9112-2.2].
    if (bytes[start] === CR && this.options.side === 'server') {
      if (end - start < 2) return start;
      if (bytes[start + 1] === LF) return start + 2;
    }
    const stop = endOfHead(bytes, start, Math.min(end, start + MAX_HEAD_BYTES));
    if (stop < 0) {
      if (end - start >= MAX_HEAD_BYTES)
        throw broken('RFC6585-5', `a head has more than ${MAX_HEAD_BYTES} octets`, 431);
      return start;
    }
    const [line, ...rest] = latin1.decode(bytes.subarray(start, stop - 4)).split('\r\n');
    if (rest.length > MAX_FIELDS) throw broken('RFC6585-5', `more than ${MAX_FIELDS} fields`, 431);
    const fields = fieldsOf(rest);
    const mode = this.framing(fields);
    if (this.parts.head(line!, fields)) this.enter(mode, fields);
    else this.finish();
    return stop;
  }

  /** How the body is delimited. [RFC9112-6.3] */
  private framing(fields: HeaderFields): 'none' | 'length' | 'chunked' | 'until-close' {
    const coding = fields['transfer-encoding'];
    const length = fields['content-length'];
    if (coding !== undefined) {
      if (length !== undefined) throw broken('RFC9112-6.3', 'both Transfer-Encoding and Content-Length');
      if (coding.toLowerCase() !== 'chunked')
        throw broken('RFC9112-6.1', `transfer coding ${coding.slice(0, 40)}`, 501);
      return 'chunked';
    }
    if (length === undefined) return this.options.side === 'server' ? 'none' : 'until-close';
    if (!/^\d{1,15}$/.test(length)) throw broken('RFC9112-6.3', 'Content-Length is no length');
    return length === '0' ? 'none' : 'length';
  }

  private enter(mode: 'none' | 'length' | 'chunked' | 'until-close', fields: HeaderFields): void {
    this.received = 0;
    switch (mode) {
      case 'none':
        this.finish();
        return;
      case 'length':
        this.left = Number(fields['content-length']);
        this.admit(this.left);
        this.state = this.left === 0 ? 'head' : 'length';
        if (this.left === 0) this.parts.end();
        return;
      case 'chunked':
        this.state = 'chunk-size';
        return;
      case 'until-close':
        this.left = Number.POSITIVE_INFINITY;
        this.state = 'until-close';
        return;
    }
  }

  /** Checked before anything of it is taken. */
  private admit(more: number): void {
    const { maxBodyBytes } = this.options;
    if (this.received + more > maxBodyBytes)
      throw broken('RFC9110-15.5.14', `a body has at most ${maxBodyBytes} octets`, 413);
  }

  private readBody(bytes: Uint8Array, at: number, end: number): number {
    const stop = Math.min(end, at + this.left);
    if (this.state === 'until-close') this.admit(stop - at);
    this.received += stop - at;
    this.left -= stop - at;
    this.parts.body(bytes, at, stop);
    if (this.left === 0) {
      if (this.state === 'chunk') this.state = 'chunk-end';
      else this.finish();
    }
    return stop;
  }

  /** `1a;extension` */
  private readSize(bytes: Uint8Array, at: number, end: number): number {
    const stop = endOfLine(bytes, at, Math.min(end, at + MAX_CHUNK_LINE));
    if (stop < 0) {
      if (end - at >= MAX_CHUNK_LINE) throw broken('RFC9112-7.1', 'a chunk size that does not end');
      return at;
    }
    const found = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(latin1.decode(bytes.subarray(at, stop - 2)));
    if (found === null) throw broken('RFC9112-7.1', 'a chunk size that is none');
    this.left = Number.parseInt(found[1]!, 16);
    this.admit(this.left);
    this.state = this.left === 0 ? 'trailer' : 'chunk';
    return stop;
  }

  /** Fields behind the body say nothing that is understood here. */
  private readTrailer(bytes: Uint8Array, at: number, end: number): number {
    const stop = endOfLine(bytes, at, Math.min(end, at + MAX_HEAD_BYTES));
    if (stop < 0) {
      if (end - at >= MAX_HEAD_BYTES) throw broken('RFC9112-7.1.2', 'a trailer that does not end', 431);
      return at;
    }
    this.received += stop - at;
    if (this.received > this.options.maxBodyBytes + MAX_HEAD_BYTES)
      throw broken('RFC9112-7.1.2', 'trailers that do not end', 431);
    if (stop === at + 2) this.finish();
    return stop;
  }

  private finish(): void {
    this.state = 'head';
    this.parts.end();
  }
}

function broken(clause: string, why: string, status = 400): ProtocolError {
  return new ProtocolError(clause, why, status);
}

/** The offset behind the empty line, or -1. */
function endOfHead(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; ; ) {
    const stop = endOfLine(bytes, at, end);
    if (stop < 0) return -1;
    if (stop === at + 2 && at > start) return stop;
    at = stop;
  }
}

/** The offset behind the next CR LF, or -1. A line feed alone, or a NUL, is refused: others read it in other ways. [RFC9112-2.2] */
function endOfLine(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    const octet = bytes[i]!;
    if (octet === LF && i > start && bytes[i - 1] === CR) return i + 1;
    if (octet === LF || octet === 0) throw broken('RFC9112-2.2', 'a line that does not end in CR LF');
    if (i > start && bytes[i - 1] === CR) throw broken('RFC9112-2.2', 'a CR that no LF follows');
  }
  return -1;
}

const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/;

function fieldsOf(lines: readonly string[]): HeaderFields {
  const fields: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const found = FIELD.exec(line);
    // No folded lines, no blank in front of the colon [RFC9112-5.1,5.2].
    if (found === null) throw broken('RFC9112-5', 'a field that is none');
    const name = found[1]!.toLowerCase();
    const value = found[2]!;
    const known = fields[name];
    if (known === undefined) fields[name] = value;
    else if (ONCE.has(name)) {
      if (known !== value) throw broken('RFC9110-5.3', `${name} comes twice`);
    } else fields[name] = `${known}, ${value}`;
  }
  return fields;
}

/** Two different ones make a message that each reader understands in its own way. */
const ONCE: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'host', 'authorization']);

const utf8 = new TextEncoder();

/** A head on the wire; `fields` in their order. Values are visible ASCII: map.ts escapes them. */
export function encodeHead(line: string, fields: Readonly<Record<string, string>>): Uint8Array {
  let text = `${line}\r\n`;
  for (const [name, value] of Object.entries(fields)) text += `${name}: ${value}\r\n`;
  return utf8.encode(`${text}\r\n`);
}

/** One chunk of a body; without octets the last one. */
export function encodeChunk(octets: Uint8Array): Uint8Array {
  const head = utf8.encode(`${octets.length.toString(16)}\r\n`);
  const chunk = new Uint8Array(head.length + octets.length + 2);
  chunk.set(head);
  chunk.set(octets, head.length);
  chunk.set([CR, LF], head.length + octets.length);
  return chunk;
}

const PHRASES: Readonly<Record<number, string>> = {
  200: 'OK',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  413: 'Payload Too Large',
  422: 'Unprocessable Entity',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  507: 'Insufficient Storage',
};

export function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${PHRASES[status] ?? 'Unknown'}`;
}
