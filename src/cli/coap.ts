// `waymeet pub` and `sub` with a resource of any CoAP server, `coap://host/sensors/heat`; topics, `/t/…`, are the client library's.

import { randomBytes } from 'node:crypto';
import type { DialledWire } from '../client/carrier.ts';
import { dial } from '../client/dial.ts';
import { shown } from '../client/endpoint.ts';
import { failureOf } from '../client/link.ts';
import { settled } from '../client/options.ts';
import { SCHEMES } from '../client/scheme.ts';
import { schemeOf } from '../client/scheme-table.ts';
import { NEVER } from '../contract/message.ts';
import type { Call, CallAnswer } from '../protocol/coap/call.ts';
import { CoapCaller } from '../protocol/coap/caller.ts';
import { coapSpeech, coapStreamSpeech } from '../protocol/coap/client.ts';
import { decodeUint } from '../protocol/coap/decode.ts';
import { contentFormatOf, contentTypeOf } from '../protocol/coap/map.ts';
import { CODE, codeText, OPTION } from '../protocol/coap/packet.ts';
import { Sealing } from '../protocol/coap/sealing.ts';
import { now } from '../transport/clock.ts';
import { oscoreCrypto } from '../transport/oscore-crypto.ts';
import { type ConnectionFlags, tlsOf } from './connection.ts';
import type { Shown } from './format.ts';
import { EXIT, Failure, type Io } from './io.ts';
import { secretOf } from './oscore.ts';
import type { PubFlags } from './pub.ts';
import type { SubFlags } from './sub.ts';

/** Whether a URL is that of a CoAP resource which is no topic. */
export function isCoapResource(url: string | undefined): url is string {
  return url !== undefined && /^coaps?(?:\+\w+)?:\/\/[^/]*\/(?!$|t\/|[?#])/.test(url);
}

/** A client of one server, and how its URL names a resource. */
class CoapConnection {
  readonly lost: Promise<never>;
  private readonly client: CoapCaller;
  private readonly url: URL;
  private readonly credentials: readonly string[];
  private closing = false;
  private readonly end: () => void;

  private constructor(
    url: URL,
    credentials: readonly string[],
    wire: DialledWire,
    stream: boolean,
    sealing: Sealing | undefined,
  ) {
    this.url = url;
    this.credentials = credentials;
    let fail: (why: Error) => void = () => {};
    this.lost = new Promise((_resolve, reject) => {
      fail = reject;
    });
    this.lost.catch(() => {});
    this.client = new CoapCaller(wire, {
      framing: stream ? 'stream' : 'datagram',
      sealing,
      random: (length) => randomBytes(length),
      now,
      lost: () => {
        if (!this.closing) fail(new Failure(`the connection to ${shown(url)} is lost`));
      },
    });
    wire.peer = this.client;
    this.end = () => wire.end();
  }

  static async open(io: Io, flags: ConnectionFlags): Promise<CoapConnection> {
    const url = new URL(flags.url!);
    const { transport } = schemeOf(url, SCHEMES);
    const username = flags.username ?? (decodeURIComponent(url.username) || io.environment.WAYMEET_USERNAME);
    const password = flags.pw ?? (decodeURIComponent(url.password) || io.environment.WAYMEET_PASSWORD);
    const said = { c: flags.id, u: username, p: password };
    const credentials = Object.entries(said).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${value}`],
    );
    const stream = transport === 'tcp' || transport === 'tls';
    const speech = stream ? coapStreamSpeech : coapSpeech;
    const late = new AbortController();
    try {
      const wire = await dial(url, speech, settled({ tls: tlsOf(flags) }), late.signal);
      const sealing =
        flags.oscore === undefined
          ? undefined
          : new Sealing(secretOf(flags.oscore), oscoreCrypto, now, randomBytes);
      return new CoapConnection(url, credentials, wire, stream, sealing);
    } catch (why) {
      throw failureOf(why, url);
    }
  }

  /** The resource that the URL names. */
  resource(): Pick<Call, 'path' | 'query'> {
    const path = this.url.pathname.split('/').slice(1).map(decodeURIComponent);
    const query = this.url.search.slice(1).split('&').filter(Boolean).map(decodeURIComponent);
    return { path, query: [...query, ...this.credentials] };
  }

  ask(call: Call): Promise<CallAnswer> {
    return new Promise((resolve, reject) => {
      this.client.call(call, {
        answer: resolve,
        failed: (why) => reject(new Failure(`${shown(this.url)}: ${why}`)),
      });
    });
  }

  /** Calls `hear` for the first answer and each notification; rejects when there will be no more. */
  observe(call: Call, hear: (answer: CallAnswer) => void): { ended: Promise<never>; cancel: () => void } {
    let cancel = () => {};
    const ended = new Promise<never>((_resolve, reject) => {
      cancel = this.client.call(
        { ...call, observe: true },
        {
          answer: (answer) => {
            if (answer.code >> 5 === 2) hear(answer);
            else reject(refusal(shown(this.url), answer));
          },
          failed: (why) => reject(new Failure(`${shown(this.url)}: ${why}`)),
        },
      );
    });
    ended.catch(() => {});
    return { ended, cancel };
  }

  close(): void {
    this.closing = true;
    this.end();
  }
}

function refusal(what: string, { code, payload }: CallAnswer): Failure {
  const why = Buffer.from(payload).toString();
  return new Failure(`${what} was refused: ${codeText(code)}${why === '' ? '' : ` ${why}`}`);
}

/** Each payload is PUT as it is. */
export async function coapPub(io: Io, flags: PubFlags, payloads: AsyncIterable<Uint8Array>): Promise<number> {
  const format = contentFormatOf({
    ...(flags.contentType === undefined ? {} : { contentType: flags.contentType }),
    text: flags.text === true,
  });
  if (flags.contentType !== undefined && format === undefined)
    throw new Failure(`CoAP has no number for '${flags.contentType}'`, EXIT.usage);
  const connection = await CoapConnection.open(io, flags);
  try {
    for await (const payload of payloads) {
      const call = { code: CODE.put, ...connection.resource(), payload };
      const answer = await connection.ask(format === undefined ? call : { ...call, contentFormat: format });
      if (answer.code >> 5 !== 2) throw refusal(flags.url!, answer);
    }
  } finally {
    connection.close();
  }
  return EXIT.fine;
}

/** Observes it. */
export async function coapSub(
  io: Io,
  flags: SubFlags,
  hear: (m: Shown) => boolean,
  ends: readonly Promise<number>[],
): Promise<number> {
  const connection = await CoapConnection.open(io, flags);
  const resource = connection.resource();
  let stop = () => {};
  try {
    let ended: Promise<never> | undefined;
    const counted = new Promise<number>((done) => {
      let first = true;
      const observation = connection.observe({ code: CODE.get, ...resource }, (answer) => {
        // The answer that starts it is the retained value, or nothing.
        const retained = first;
        first = false;
        if (retained && answer.payload.length === 0) return;
        if (hear(shownOf(answer, resource.path, retained))) done(EXIT.fine);
      });
      stop = observation.cancel;
      ended = observation.ended;
    });
    return await Promise.race([counted, ended!, connection.lost, ...ends]);
  } finally {
    stop();
    connection.close();
  }
}

/** A notification in the words that the output knows. */
function shownOf({ options, payload }: CallAnswer, path: readonly string[], retained: boolean): Shown {
  const place = options
    .filter((o) => o.number === OPTION.locationPath)
    .map((o) => Buffer.from(o.value).toString());
  const format = options.find((o) => o.number === OPTION.contentFormat);
  const contentType = format === undefined ? undefined : contentTypeOf(decodeUint(format.value));
  return {
    topic: (place.length > 0 ? place : path).join('/'),
    payload,
    qos: 0,
    retained,
    duplicate: false,
    meta: contentType === undefined ? {} : { contentType },
    expiresAt: NEVER,
  };
}
