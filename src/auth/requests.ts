// Requests to services of others: bounded in time and size, never redirected, over connections that are kept.

import { readFileSync } from 'node:fs';
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export interface Asked {
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

export interface Answered {
  readonly status: number;
  readonly body: Buffer;
}

export interface RequestsOptions {
  /** Authorities that vouch for the service, PEM file; the system's unless said. */
  readonly caFile?: string | undefined;
  readonly connections?: number;
}

/** A place to ask, with its connections. */
export class Requests {
  private readonly url: URL;
  private readonly agent: HttpAgent | HttpsAgent;
  private readonly sends: (done: (response: IncomingMessage) => void, asked: Asked) => ClientRequest;

  /** Throws when the URL is none, or the file of authorities cannot be read. */
  constructor(url: string, o: RequestsOptions = {}) {
    this.url = new URL(url);
    const kept = { keepAlive: true, maxSockets: o.connections ?? 4 };
    const { url: at } = this;
    if (at.protocol === 'https:') {
      const agent = new HttpsAgent({
        ...kept,
        ...(o.caFile === undefined ? {} : { ca: readFileSync(o.caFile) }),
      });
      this.agent = agent;
      this.sends = (done, { method, headers = {} }) => httpsRequest(at, { method, headers, agent }, done);
    } else {
      const agent = new HttpAgent(kept);
      this.agent = agent;
      this.sends = (done, { method, headers = {} }) => httpRequest(at, { method, headers, agent }, done);
    }
  }

  /** Rejects when there is no answer in time, or one that is too large. */
  ask(asked: Asked): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const request = this.sends((response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          chunks.push(chunk);
          if (length > asked.maxBytes)
            request.destroy(new Error(`the answer is larger than ${asked.maxBytes} octets`));
        });
        response.once('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) });
        });
        response.once('error', reject);
      }, asked);
      // Over all of it: a service that sends an octet now and then is as good as silent.
      const timer = setTimeout(
        () => request.destroy(new Error(`no answer within ${asked.timeoutMs} ms`)),
        asked.timeoutMs,
      );
      request.once('error', reject);
      request.once('close', () => clearTimeout(timer));
      request.end(asked.body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}
