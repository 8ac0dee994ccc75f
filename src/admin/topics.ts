// The HTTP tower on node:http: `/topics`, `/subscribe`, `/request` and `/publish`.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Hub } from '../contract/hub.ts';
import { NEVER } from '../contract/message.ts';
import type { WireIdentity } from '../contract/wire.ts';
import { decodeRequest } from '../protocol/http/decode.ts';
import { encodeProblem } from '../protocol/http/encode.ts';
import { type HttpRequest, type Pending, Refusal, type Reply } from '../protocol/http/packet.ts';
import { PROTOCOL } from '../protocol/http/peer.ts';
import { readBody, sendAnswer } from './exchange.ts';
import { jsonWords } from './json.ts';
import { Logins } from './logins.ts';

export interface TopicsOptions {
  readonly hub: Hub;
  /** The listener's name: it picks who may come in. */
  readonly listener: string;
  readonly maxBodyBytes: number;
  readonly remote: (request: IncomingMessage) => string;
  readonly identity: (request: IncomingMessage) => WireIdentity;
  /** A defect of ours. */
  readonly failed: (error: Error) => void;
}

/** Idle streams say something this often, so that proxies keep them and a client that is gone is noticed. */
const KEEP_ALIVE_MS = 15_000;

export class Topics {
  private readonly o: TopicsOptions;
  private readonly logins: Logins;

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
    const credentials = {
      authorization: request.headers.authorization,
      remote: o.remote(request),
      wire: o.identity(request),
    };
    const lease = await this.logins.lease(credentials);
    try {
      const body = await readBody(request, o.maxBodyBytes);
      const counters = o.hub.counters.of(PROTOCOL);
      counters.bytesIn += body.length;
      const asked: HttpRequest = {
        method: request.method ?? 'GET',
        path,
        query,
        headers: joined(request),
        body,
      };
      const operation = decodeRequest(asked, o.hub.limits);
      const reply = new NodeReply(request, response, (bytes) => {
        counters.bytesOut += bytes;
      });
      const pending = lease.peer.perform(operation, body, reply, o.hub.now());
      if (pending !== undefined) this.attend(pending, response);
    } finally {
      if (response.closed) lease.done();
      else response.once('close', lease.done);
    }
  }

  /** Gives a request that waits its time, its room and its end. */
  private attend(pending: Pending, response: ServerResponse): void {
    const { waitMs } = pending;
    const timer = waitMs === NEVER ? undefined : setTimeout(() => pending.expire(), waitMs);
    const alive = setInterval(() => {
      if (response.headersSent && !response.writableNeedDrain && !response.writableEnded)
        response.write(': still here\n\n');
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

  constructor(request: IncomingMessage, response: ServerResponse, sent: (bytes: number) => void) {
    this.request = request;
    this.response = response;
    this.sent = sent;
  }

  get full(): boolean {
    return this.response.writableNeedDrain || this.response.writableEnded || this.response.destroyed;
  }

  answer(a: Parameters<Reply['answer']>[0]): void {
    this.sent(a.body.length);
    sendAnswer(this.request, this.response, a);
  }

  begin(headers: Readonly<Record<string, string>>): void {
    this.response.writeHead(200, { ...headers, 'X-Content-Type-Options': 'nosniff' });
    this.response.flushHeaders();
  }

  write(text: string): void {
    if (this.response.writableEnded) return;
    this.sent(text.length);
    this.response.write(text);
  }

  end(): void {
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
