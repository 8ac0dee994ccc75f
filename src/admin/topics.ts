// The HTTP tower on node:http: `/topics`, `/subscribe`, `/request` and `/publish`.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Hub } from '../contract/hub.ts';
import { NEVER } from '../contract/message.ts';
import type { Tap } from '../contract/tap.ts';
import type { WireIdentity } from '../contract/wire.ts';
import { decodeRequest, decodeTarget, publishOperation } from '../protocol/http/decode.ts';
import { encodeProblem } from '../protocol/http/encode.ts';
import { isBare } from '../protocol/http/exchanges.ts';
import {
  type HttpRequest,
  KEEP_ALIVE_MS,
  MAX_DEAF,
  type Pending,
  type PublishTarget,
  Refusal,
  type Reply,
} from '../protocol/http/packet.ts';
import { PROTOCOL } from '../protocol/http/peer.ts';
import { readBody, sendAnswer } from './exchange.ts';
import { jsonWords } from './json.ts';
import { type Lease, Logins } from './logins.ts';
import { TracedExchange } from './traced-exchange.ts';

export interface TopicsOptions {
  readonly hub: Hub;
  /** The listener's name: it picks who may come in. */
  readonly listener: string;
  readonly maxBodyBytes: number;
  readonly remote: (request: IncomingMessage) => string;
  readonly identity: (request: IncomingMessage) => WireIdentity;
  /** Who looks at the octets; undefined: nobody now. */
  readonly tap: () => Tap | undefined;
  /** A defect of ours. */
  readonly failed: (error: Error) => void;
}

/** Larger bodies come in pieces, and are counted against what may be received at once. */
const MAX_QUICK_BYTES = 16_384;
const MAX_SHARED_BYTES = 4_096;
const MAX_TARGET = 512;
const MAX_TARGETS = 1_000;
const MAX_AUTHORIZATION = 4_096;

interface Known {
  readonly authorization: string | undefined;
  readonly lease: Lease;
}

export class Topics {
  private readonly o: TopicsOptions;
  private readonly logins: Logins;
  /** Who asked last on a connection. */
  private readonly known = new WeakMap<Socket, Known>();
  private readonly targets = new Map<string, PublishTarget>();

  constructor(o: TopicsOptions) {
    this.o = o;
    this.logins = new Logins(o.hub, o.listener, jsonWords);
  }

  close(): void {
    this.logins.close();
  }

  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: URLSearchParams,
  ): Promise<void> {
    const { o } = this;
    const counters = o.hub.counters.of(PROTOCOL);
    const trace = new TracedExchange(request, o.listener, o.tap, o.remote);
    const sent = (bytes: number) => {
      counters.bytesOut += bytes;
    };
    const reply = new NodeReply(request, response, sent, trace);
    try {
      await this.perform(request, response, path, query, reply, trace);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      trace.asked(undefined);
      reply.answer(encodeProblem(error));
    }
  }

  private async perform(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: URLSearchParams,
    reply: NodeReply,
    trace: TracedExchange,
  ): Promise<void> {
    const { o } = this;
    const credentials = {
      authorization: request.headers.authorization,
      remote: o.remote(request),
      wire: o.identity(request),
    };
    const lease = await this.logins.lease(credentials);
    if (credentials.authorization === undefined || credentials.authorization.length < MAX_AUTHORIZATION)
      this.known.set(request.socket, { authorization: credentials.authorization, lease });
    trace.client = lease.peer.client ?? '';
    try {
      const body = await readBody(request, o.maxBodyBytes);
      o.hub.counters.of(PROTOCOL).bytesIn += body.length;
      trace.asked(body);
      const asked: HttpRequest = {
        method: request.method ?? 'GET',
        path,
        query,
        headers: joined(request),
        body,
      };
      const operation = decodeRequest(asked, o.hub.limits);
      const pending = lease.peer.perform(operation, body, reply, o.hub.now());
      if (pending !== undefined) this.attend(pending, response, reply);
    } finally {
      if (response.closed) lease.done();
      else response.once('close', lease.done);
    }
  }

  /**
   * Takes a plain small publish of a connection that is known already, as devices send one after the other, in half of the CPU time. False: it is
   * not that; `serve` has the same meaning. 15 vs 50 µs a request beside node:http's own 20, bench/web
   */
  quick(request: IncomingMessage, response: ServerResponse): boolean {
    const { headers, url = '' } = request;
    if (request.method !== 'POST' || !url.startsWith('/topics/') || headers.origin !== undefined)
      return false;
    const length = Number(headers['content-length'] ?? Number.NaN);
    if (!(length > 0 && length <= MAX_QUICK_BYTES && length <= this.o.maxBodyBytes)) return false;
    const known = this.known.get(request.socket);
    const target = this.targets.get(url) ?? this.targetOf(url);
    if (known === undefined || target === undefined || known.authorization !== headers.authorization)
      return false;
    const { o } = this;
    // Who traces sees what `serve` does.
    if (o.tap() !== undefined || !known.lease.again()) return false;
    const { peer, done } = known.lease;
    let body: Uint8Array | undefined;
    request.on('data', (chunk: Uint8Array) => {
      body = body === undefined ? chunk : Buffer.concat([body, chunk]);
    });
    let ended = false;
    // Comes in any case, also when the client hangs up in the middle.
    request.on('close', () => {
      if (!ended) done();
    });
    request.on('end', () => {
      ended = true;
      const counters = o.hub.counters.of(PROTOCOL);
      counters.bytesIn += length;
      const reply = new NodeReply(request, response, (bytes) => {
        counters.bytesOut += bytes;
        done();
      });
      try {
        // Alone in its memory it stays there; beside much else it would keep that alive.
        const payload = body!.buffer.byteLength <= MAX_SHARED_BYTES ? body! : new Uint8Array(body!);
        const operation = publishOperation(target, headers as HttpRequest['headers'], payload);
        peer.perform(operation, payload, reply, o.hub.now());
      } catch (error) {
        done();
        answerError(request, response, error, o.failed);
      }
    });
    return true;
  }

  /** What a path asks for; undefined: something is wrong with it, and `serve` says what. */
  private targetOf(url: string): PublishTarget | undefined {
    if (url.length > MAX_TARGET) return undefined;
    const mark = url.indexOf('?');
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
    try {
      const target = decodeTarget(mark < 0 ? url : url.slice(0, mark), query, this.o.hub.limits);
      if (this.targets.size >= MAX_TARGETS) this.targets.delete(this.targets.keys().next().value!);
      this.targets.set(url, target);
      return target;
    } catch (error) {
      if (error instanceof Refusal) return undefined;
      throw error;
    }
  }

  /** Gives a request that waits its time, its room and its end. */
  private attend(pending: Pending, response: ServerResponse, reply: NodeReply): void {
    const { waitMs } = pending;
    const timer = waitMs === NEVER ? undefined : setTimeout(() => pending.expire(), waitMs);
    let deaf = 0;
    const alive = setInterval(() => {
      if (!response.headersSent || response.writableEnded) return;
      if (!response.writableNeedDrain) {
        deaf = 0;
        reply.write(': still here\n\n');
      } else if (++deaf === MAX_DEAF) {
        this.o.hub.counters.drop('slow-consumer');
        response.destroy();
      }
    }, KEEP_ALIVE_MS);
    response.on('drain', () => pending.drained());
    response.once('close', () => {
      clearTimeout(timer);
      clearInterval(alive);
      pending.close(this.o.hub.now());
    });
  }
}

class NodeReply implements Reply {
  private readonly request: IncomingMessage;
  private readonly response: ServerResponse;
  private readonly sent: (bytes: number) => void;
  private readonly trace: TracedExchange | undefined;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    sent: (bytes: number) => void,
    trace?: TracedExchange,
  ) {
    this.request = request;
    this.response = response;
    this.sent = sent;
    this.trace = trace;
  }

  get full(): boolean {
    return this.response.writableNeedDrain || this.response.writableEnded || this.response.destroyed;
  }

  answer(a: Parameters<Reply['answer']>[0]): void {
    this.sent(a.body.length);
    const { request, response, trace } = this;
    if (!sendAnswer(request, response, a) || trace === undefined) return;
    trace.answered(response, request.method === 'HEAD' || isBare(a.status) ? '' : a.body);
  }

  begin(headers: Readonly<Record<string, string>>): void {
    this.response.writeHead(200, { ...headers, 'X-Content-Type-Options': 'nosniff' });
    this.response.flushHeaders();
    this.trace?.answered(this.response, '');
  }

  write(text: string): void {
    if (this.response.writableEnded) return;
    this.sent(text.length);
    this.response.write(text);
    this.trace?.wrote(text);
  }

  end(): void {
    if (!this.response.writableEnded) this.trace?.wrote('');
    this.response.end();
  }
}

/** Answers what a part of the web port threw: its refusal, or 500 for a defect of ours. */
export function answerError(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  failed: (error: Error) => void,
): void {
  if (response.destroyed) return;
  if (error instanceof Refusal) {
    sendAnswer(request, response, encodeProblem(error));
    return;
  }
  failed(error as Error);
  sendAnswer(
    request,
    response,
    encodeProblem(new Refusal(500, 'defect', 'a defect of the hub; its log says more')),
  );
}

function joined(request: IncomingMessage): Record<string, string | undefined> {
  const fields: Record<string, string | undefined> = Object.create(null);
  for (const [name, value] of Object.entries(request.headers))
    fields[name] = Array.isArray(value) ? value.join(', ') : value;
  return fields;
}
