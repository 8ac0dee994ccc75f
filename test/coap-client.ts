// A CoAP client in words, byte by byte of its own: requests, and what is heard, over datagrams or a stream.

import { decodeCoap, decodeUint } from '../src/protocol/coap/decode.ts';
import { encodeCoap, encodeOptions, encodeUint } from '../src/protocol/coap/encode.ts';
import { decodeFrame, encodeFrame } from '../src/protocol/coap/frame.ts';
import {
  CODE,
  type CoapMessage,
  type CoapOption,
  type CoapType,
  codeText,
  OPTION,
} from '../src/protocol/coap/packet.ts';
import type { Broker, RawClient } from './network.ts';

const utf8 = new TextEncoder();
const METHODS = {
  GET: CODE.get,
  POST: CODE.post,
  PUT: CODE.put,
  DELETE: CODE.delete,
  FETCH: CODE.fetch,
  PATCH: CODE.patch,
  iPATCH: CODE.iPatch,
};

export interface RequestParts {
  readonly type?: CoapType;
  readonly id?: number;
  readonly token?: string;
  readonly payload?: string | Uint8Array;
  readonly observe?: number;
  readonly format?: number;
  readonly extra?: readonly CoapOption[];
}

/** A client in words: `request('PUT /t/a?retain=true', { payload: '1' })`. */
export class CoapTestClient {
  readonly raw: RawClient;
  /** Requests that went out, and their octets. */
  readonly sent = { requests: 0, octets: 0 };
  private readonly stream: boolean;
  private nextId = 0x100;

  /** From an address that nobody can forge, unless another is given. */
  constructor(
    broker: Broker,
    link = {},
    remote = '127.0.0.1:50001',
    protocol = 'coap',
    more: { readonly sentTo?: 'group' | 'either'; readonly secure?: boolean } = {},
  ) {
    this.raw = broker.connect({ protocol, link, remote, ...more });
    this.stream = protocol === 'coap+tcp';
  }

  request(line: string, parts: RequestParts = {}): void {
    const [method, url] = line.split(' ') as [keyof typeof METHODS, string];
    const [path, query] = url.split('?') as [string, string | undefined];
    const options: CoapOption[] = [];
    for (const level of path.split('/').slice(1))
      options.push({ number: OPTION.uriPath, value: utf8.encode(level) });
    for (const term of query?.split('&') ?? [])
      options.push({ number: OPTION.uriQuery, value: utf8.encode(term) });
    options.push(...(parts.extra ?? []));
    if (parts.observe !== undefined) {
      options.push({ number: OPTION.observe, value: Uint8Array.of(parts.observe).filter((n) => n !== 0) });
    }
    if (parts.format !== undefined)
      options.push({ number: OPTION.contentFormat, value: encodeUint(parts.format) });
    const payload = typeof parts.payload === 'string' ? utf8.encode(parts.payload) : parts.payload;
    const m: CoapMessage = {
      type: parts.type ?? 0,
      code: METHODS[method],
      id: parts.id ?? this.nextId++,
      token: utf8.encode(parts.token ?? 'k'),
      options: options.toSorted((a, b) => a.number - b.number),
      payload: payload ?? new Uint8Array(),
    };
    const bytes = this.stream
      ? encodeFrame(m.code, m.token, encodeOptions(m.options, 0, m.payload), false)
      : encodeCoap(m);
    this.sent.requests++;
    this.sent.octets += bytes.length;
    this.raw.send(bytes);
  }

  /** Sends an option of a block: `block(OPTION.block1, 2, true, 6)`. */
  static block(number: number, num: number, more: boolean, szx: number): CoapOption {
    return { number, value: encodeUint(num * 16 + (more ? 8 : 0) + szx) };
  }

  send(type: CoapType, id: number): void {
    this.raw.send(
      encodeCoap({ type, code: 0, id, token: new Uint8Array(), options: [], payload: new Uint8Array() }),
    );
  }

  messages(): CoapMessage[] {
    if (!this.stream)
      return this.raw.takeEach().map((datagram) => decodeCoap(datagram, 0, datagram.length) as CoapMessage);
    const octets = this.raw.take();
    const messages: CoapMessage[] = [];
    for (let at = 0; at < octets.length; ) {
      const frame = decodeFrame(octets, at, octets.length, octets.length)!;
      messages.push(frame.message);
      at = frame.end;
    }
    return messages;
  }

  /** `ACK 2.05 k observe ct=50 "text"`, what arrived since the last call; ETags are left out. */
  heard(): string[] {
    return this.messages().map((m) => {
      const words: string[] = [['CON', 'NON', 'ACK', 'RST'][m.type]!, codeText(m.code)];
      if (m.token.length > 0) words.push(Buffer.from(m.token).toString());
      for (const o of m.options) {
        if (o.number === OPTION.eTag) continue;
        if (o.number === OPTION.observe) words.push('observe');
        else if (o.number === OPTION.locationPath) words.push(`/${Buffer.from(o.value)}`);
        else if (o.number === OPTION.contentFormat) words.push(`ct=${decodeUint(o.value)}`);
        else if (o.number === OPTION.block1 || o.number === OPTION.block2) words.push(blockText(o));
        else if (o.number === OPTION.size1 || o.number === OPTION.size2)
          words.push(`size=${decodeUint(o.value)}`);
        else if (o.number === OPTION.echo) words.push('echo');
        else if (o.number === OPTION.maxAge) words.push(`age=${decodeUint(o.value)}`);
        else words.push(`option ${o.number}`);
      }
      if (m.payload.length > 0) words.push(JSON.stringify(Buffer.from(m.payload).toString()));
      return words.join(' ');
    });
  }
}

/** `b2:0+/1024`: number, whether more follow, size. */
function blockText({ number, value }: CoapOption): string {
  const n = decodeUint(value);
  return `b${number === OPTION.block1 ? 1 : 2}:${n >> 4}${(n & 8) === 0 ? '' : '+'}/${16 << (n & 7)}`;
}
