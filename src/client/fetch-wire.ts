// HTTP/1.1 in a browser, which opens no sockets: the requests on the wire are asked with `fetch`, and its answers written as HTTP/1.1.

import { type Clock, StreamWire } from './carrier.ts';

/** What is used of `fetch`. */
interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: { getReader(): { read(): Promise<{ done: boolean; value?: Uint8Array }> } } | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}
declare const fetch: (url: string, options: object) => Promise<Answer>;

/** Octets of an event that wait for its end. */
const MAX_HELD = 1_048_576;
const LF_LF = [10, 10];
const CR_LF_CR_LF = [13, 10, 13, 10];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What the browser says itself, and lets nobody else say. */
const ITS_OWN = /^(?:host|connection|content-length)$/i;

/** Rejects unless anything at all answers at `url`. */
export async function dialFetch(url: URL, clock: Clock, signal: AbortSignal): Promise<StreamWire> {
  await fetch(url.origin, { method: 'HEAD', mode: 'no-cors', cache: 'no-store', signal });
  const wire = new StreamWire(url.host, url.protocol === 'https:', clock);
  const ending = new AbortController();
  const asker = new Asker(url.origin, wire, ending.signal);
  const end = () => ending.abort();
  wire.carry({
    unsent: 0,
    send: (parts) => asker.send(parts),
    pause: () => asker.pause(),
    resume: () => asker.resume(),
    end,
    destroy: end,
  });
  return wire;
}

/** Asks one request after the other, as they are written. */
class Asker {
  private readonly origin: string;
  private readonly wire: StreamWire;
  private readonly signal: AbortSignal;
  /** What was written of a request that is not whole yet. */
  private rest: Uint8Array = new Uint8Array(0);
  private before: Promise<void> = Promise.resolve();
  private paused: Promise<void> | undefined;
  private go: () => void = () => {};

  constructor(origin: string, wire: StreamWire, signal: AbortSignal) {
    this.origin = origin;
    this.wire = wire;
    this.signal = signal;
  }

  send(parts: readonly Uint8Array[]): void {
    for (const part of parts) this.rest = joined(this.rest, part);
    for (;;) {
      const request = requestIn(this.rest);
      if (request === undefined) return;
      this.rest = this.rest.subarray(request.length);
      this.before = this.before.then(() => this.ask(request)).catch(() => this.wire.gone());
    }
  }

  private async ask({ method, target, headers, body }: Request): Promise<void> {
    const answer = await fetch(this.origin + target, {
      method,
      headers,
      body,
      cache: 'no-store',
      signal: this.signal,
    });
    const type = answer.headers.get('content-type') ?? '';
    const head = `HTTP/1.1 ${answer.status} \r\nContent-Type: ${type}\r\n`;
    if (type.startsWith('text/event-stream')) await this.follow(head, answer);
    else {
      const content = new Uint8Array(await answer.arrayBuffer());
      await this.arrived(`${head}Content-Length: ${content.length}\r\n\r\n`, content);
    }
  }

  /** Events come one by one, until the connection ends. */
  private async follow(head: string, { body }: Answer): Promise<void> {
    await this.arrived(`${head}\r\n`);
    const reader = body!.getReader();
    let text: Uint8Array = new Uint8Array(0);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text = joined(text, value!);
      for (let end = endOfEvent(text); end > 0; end = endOfEvent(text)) {
        await this.arrived('', text.slice(0, end));
        text = text.subarray(end);
      }
    }
    this.wire.gone();
  }

  private async arrived(head: string, body: Uint8Array = new Uint8Array(0)): Promise<void> {
    await this.paused;
    this.wire.arrived(joined(encoder.encode(head), body));
  }

  pause(): void {
    this.paused ??= new Promise((resolve) => {
      this.go = resolve;
    });
  }

  resume(): void {
    this.paused = undefined;
    this.go();
  }
}

interface Request {
  readonly method: string;
  readonly target: string;
  readonly headers: [string, string][];
  readonly body: Uint8Array | undefined;
  /** Octets of all of it. */
  readonly length: number;
}

/** The request that `bytes` begin with, as our own speaker writes it; undefined: it is not whole. */
function requestIn(bytes: Uint8Array): Request | undefined {
  const head = indexOf(bytes, CR_LF_CR_LF);
  if (head < 0) return undefined;
  const [line, ...fields] = decoder.decode(bytes.subarray(0, head)).split('\r\n');
  const [method, target] = line!.split(' ');
  const headers = fields.map((field): [string, string] => {
    const colon = field.indexOf(':');
    return [field.slice(0, colon), field.slice(colon + 1).trim()];
  });
  const size = Number(headers.find(([name]) => /^content-length$/i.test(name))?.[1] ?? 0);
  const start = head + 4;
  const length = start + size;
  if (bytes.length < length) return undefined;
  return {
    method: method!,
    target: target!,
    headers: headers.filter(([name]) => !ITS_OWN.test(name)),
    body: method === 'GET' ? undefined : bytes.slice(start, length),
    length,
  };
}

/** The offset behind the first event, which an empty line ends; 0: it is not whole, and not so long that it is passed on as it is. */
function endOfEvent(bytes: Uint8Array): number {
  const ends = [indexOf(bytes, LF_LF) + 2, indexOf(bytes, CR_LF_CR_LF) + 4].filter((end) => end > 3);
  return ends.length > 0 ? Math.min(...ends) : bytes.length > MAX_HELD ? bytes.length : 0;
}

/** Where `wanted` begins, or -1. */
function indexOf(bytes: Uint8Array, wanted: readonly number[]): number {
  for (let at = bytes.indexOf(wanted[0]!); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1))
    if (wanted.every((octet, i) => bytes[at + i] === octet)) return at;
  return -1;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}
