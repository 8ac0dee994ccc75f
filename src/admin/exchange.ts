// What node:http requests and responses have in common for every part of the web port: bodies, answers, origins.

import { type IncomingMessage, maxHeaderSize, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { encodeProblem } from '../protocol/http/encode.ts';
import { encodeHead, statusLine } from '../protocol/http/framing.ts';
import { type Answer, Refusal } from '../protocol/http/packet.ts';

/** All bodies that are being received may take so much together. */
const MAX_RECEIVING_BYTES = 268_435_456;
let receiving = 0;

/** Reads a body of at most `maxBytes`. Rejects with Refusal, or when the client hangs up. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) return Promise.reject(tooLarge(maxBytes));
  if (announced === 0 && request.headers['transfer-encoding'] === undefined) return Promise.resolve(NO_BODY);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const end = (act: () => void) => {
      receiving -= length;
      length = 0;
      request.off('data', take).off('end', done).off('close', lost);
      act();
    };
    const take = (chunk: Buffer) => {
      length += chunk.length;
      receiving += chunk.length;
      chunks.push(chunk);
      if (length > maxBytes) end(() => reject(tooLarge(maxBytes)));
      else if (receiving > MAX_RECEIVING_BYTES)
        end(() => reject(new Refusal(503, 'busy', 'too much is being received; try again later')));
    };
    const done = () => end(() => resolve(Buffer.concat(chunks)));
    const lost = () => end(() => reject(new Error('the client hung up')));
    request.on('data', take).on('end', done).on('close', lost);
  });
}

const NO_BODY = new Uint8Array(0);

function tooLarge(maxBytes: number): Refusal {
  // What is still to come of the body is not read: the connection cannot serve another request.
  return new Refusal(413, 'too-large', `a body has at most ${maxBytes} octets`, { Connection: 'close' });
}

/** Answers what Node could not read as a request: a problem in place of its bare status. */
export function answerNonsense(error: NodeJS.ErrnoException, socket: Duplex): void {
  // Behind an answer that has begun, another would only confuse.
  const { _httpMessage: begun } = socket as Duplex & { readonly _httpMessage?: ServerResponse | null };
  if (!socket.writable || error.code === 'ECONNRESET' || begun?.headersSent === true) {
    socket.destroy();
    return;
  }
  const { status, headers, body } = encodeProblem(nonsense(error));
  const fields = { ...headers, 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' };
  socket.write(encodeHead(statusLine(status), fields));
  socket.end(body);
}

function nonsense({ code }: NodeJS.ErrnoException): Refusal {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Refusal(431, 'too-large', `the head of a request has at most ${maxHeaderSize} octets`);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Refusal(408, 'timeout', 'the request did not come in time');
    default:
      return new Refusal(400, 'request-invalid', 'this is no HTTP request');
  }
}

/** Returns whether it was sent: an answer that begins may not be followed by another. */
export function sendAnswer(request: IncomingMessage, response: ServerResponse, a: Answer): boolean {
  if (response.headersSent || response.destroyed) return false;
  const bare = a.status === 304 || a.status === 204;
  // Names and values in one list: Node writes it down as it is.
  const fields: string[] = [];
  for (const name in a.headers) fields.push(name, a.headers[name]!);
  if (!bare) fields.push('Content-Length', String(Buffer.byteLength(a.body)));
  fields.push('X-Content-Type-Options', 'nosniff');
  response.writeHead(a.status, fields);
  response.end(request.method === 'HEAD' || bare ? undefined : a.body);
  return true;
}

/**
 * Pages of other origins may not speak to a hub on somebody's own machine: their browser says so in Origin. Answers the preflight of
 * those that may. Returns whether the request goes on; throws Refusal when its page may not.
 */
export function admitOrigin(
  request: IncomingMessage,
  response: ServerResponse,
  origins: readonly string[] | undefined,
): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  const own = URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
  if (own) return true;
  if (origins === undefined || !(origins.includes('*') || origins.includes(origin)))
    throw new Refusal(
      403,
      'origin-refused',
      `pages of ${origin} may not use this hub; web.origins says which may`,
    );
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Vary', 'Origin');
  response.setHeader('Access-Control-Expose-Headers', '*');
  if (request.method !== 'OPTIONS') return true;
  const asked = request.headers['access-control-request-headers'];
  response.writeHead(204, {
    'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, DELETE',
    ...(asked === undefined ? {} : { 'Access-Control-Allow-Headers': asked }),
    'Access-Control-Max-Age': '600',
  });
  response.end();
  return false;
}

/** User name and password of `Authorization: Basic`. [RFC7617-2] */
export function basicOf(authorization: string | undefined): { user: string; password: string } | undefined {
  const found = /^Basic\s+([A-Za-z0-9+/=]+)\s*$/i.exec(authorization ?? '');
  if (found === null) return undefined;
  const text = Buffer.from(found[1]!, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** The token of `Authorization: Bearer`. [RFC6750-2.1] */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/-]+=*) *$/i.exec(authorization ?? '')?.[1];
}
