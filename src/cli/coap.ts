// `waymeet pub` and `sub` over CoAP: `coap://host/t/room/heat`, or any other resource of a CoAP server.

import { randomBytes } from 'node:crypto';
import { dialUdp, streamWire } from '../client/wire.ts';
import type { Call, CallAnswer } from '../protocol/coap/call.ts';
import { CoapCaller } from '../protocol/coap/caller.ts';
import { decodeUint } from '../protocol/coap/decode.ts';
import { contentFormatOf, contentTypeOf } from '../protocol/coap/map.ts';
import { CODE, codeText, OPTION } from '../protocol/coap/packet.ts';
import { PUBLISH, type Publish } from '../protocol/mqtt/packet.ts';
import { now } from '../transport/clock.ts';
import type { ConnectionFlags } from './connection.ts';
import { dial, shown, type Target } from './dial.ts';
import { EXIT, Failure, type Io } from './io.ts';
import type { PubFlags } from './pub.ts';
import type { SubFlags } from './sub.ts';

const SCHEMES = ['coap:', 'coap+tcp:', 'coaps+tcp:'];
const USUAL_PORT = 5_683;

/** Whether a URL is CoAP's. */
export function isCoap(url: string | undefined): url is string {
  return url !== undefined && /^coaps?(?:\+\w+)?:/.test(url);
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
    wire: Awaited<ReturnType<typeof dialUdp>>,
    stream: boolean,
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
    if (!SCHEMES.includes(url.protocol)) {
      const text = `'${url.protocol}' is no way to a CoAP server here: write coap, coap+tcp or coaps+tcp`;
      throw new Failure(text, EXIT.usage);
    }
    const username = flags.username ?? (decodeURIComponent(url.username) || io.environment.WAYMEET_USERNAME);
    const password = flags.pw ?? (decodeURIComponent(url.password) || io.environment.WAYMEET_PASSWORD);
    const said = { c: flags.id, u: username, p: password };
    const credentials = Object.entries(said).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${value}`],
    );
    const stream = url.protocol !== 'coap:';
    const wire = stream
      ? streamWire(await dial(targetOf(url, flags)), url.host)
      : await dialUdp(url.hostname.replace(/^\[|\]$/g, ''), Number(url.port) || USUAL_PORT).catch(
          (error: unknown) => {
            throw new Failure(`cannot reach ${shown(url)}: the host name is not known`, EXIT.failed, error);
          },
        );
    return new CoapConnection(url, credentials, wire, stream);
  }

  /** The resource of a topic, or the one that the URL names. */
  resource(topic: string | undefined, more: readonly string[]): Pick<Call, 'path' | 'query'> {
    const named = topic !== undefined;
    const path = named
      ? ['t', ...topic.split('/')]
      : this.url.pathname.split('/').slice(1).map(decodeURIComponent);
    const query = this.url.search.slice(1).split('&').filter(Boolean).map(decodeURIComponent);
    return { path, query: [...query, ...more, ...this.credentials] };
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

function targetOf(url: URL, flags: ConnectionFlags): Target {
  const { cafile: ca, cert, key, insecure } = flags;
  return { url, ca, cert, key, insecure: insecure === true };
}

function refusal(what: string, { code, payload }: CallAnswer): Failure {
  const why = Buffer.from(payload).toString();
  return new Failure(`${what} was refused: ${codeText(code)}${why === '' ? '' : ` ${why}`}`);
}

/** A topic is published with its QoS and retain flag; another resource gets a PUT as it is. */
export async function coapPub(io: Io, flags: PubFlags, payloads: AsyncIterable<Uint8Array>): Promise<number> {
  const connection = await CoapConnection.open(io, flags);
  const topical = flags.topic !== undefined || /^\/t\//.test(new URL(flags.url!).pathname);
  const said = [`qos=${flags.qos}`, `retain=${flags.retain === true}`];
  if (flags.expiry !== undefined) said.push(`expiry=${flags.expiry}`);
  const format = contentFormatOf({
    ...(flags.contentType === undefined ? {} : { contentType: flags.contentType }),
    text: flags.text === true,
  });
  if (flags.contentType !== undefined && format === undefined)
    throw new Failure(`CoAP has no number for '${flags.contentType}'`, EXIT.usage);
  try {
    for await (const payload of payloads) {
      const answer = await connection.ask({
        code: CODE.put,
        ...connection.resource(flags.topic, topical ? said : []),
        payload,
        ...(format === undefined ? {} : { contentFormat: format }),
      });
      if (answer.code >> 5 !== 2) throw refusal(flags.topic ?? flags.url!, answer);
    }
  } finally {
    connection.close();
  }
  return EXIT.fine;
}

export async function coapSub(
  io: Io,
  flags: SubFlags,
  hear: (m: Publish) => boolean,
  ends: readonly Promise<number>[],
): Promise<number> {
  const connection = await CoapConnection.open(io, flags);
  const topics = flags.topic ?? [undefined];
  const topical = flags.topic !== undefined || /^\/t\//.test(new URL(flags.url!).pathname);
  const said = topical ? [`qos=${flags.qos}`] : [];
  const observations: { ended: Promise<never>; cancel: () => void }[] = [];
  try {
    const counted = new Promise<number>((done) => {
      for (const topic of topics) {
        let first = true;
        const resource = connection.resource(topic, said);
        const observation = connection.observe({ code: CODE.get, ...resource }, (answer) => {
          // The answer that starts it is the retained value, or nothing.
          const retained = first;
          first = false;
          if (retained && answer.payload.length === 0) return;
          if (hear(published(answer, resource.path, retained))) done(EXIT.fine);
        });
        observations.push(observation);
      }
    });
    return await Promise.race([counted, connection.lost, ...observations.map((o) => o.ended), ...ends]);
  } finally {
    for (const { cancel } of observations) cancel();
    connection.close();
  }
}

/** A notification in the words that the output knows. */
function published({ options, payload }: CallAnswer, path: readonly string[], retain: boolean): Publish {
  const place = options
    .filter((o) => o.number === OPTION.locationPath)
    .map((o) => Buffer.from(o.value).toString());
  const where = place.length > 0 ? place : path;
  const format = options.find((o) => o.number === OPTION.contentFormat);
  const contentType = format === undefined ? {} : { contentType: contentTypeOf(decodeUint(format.value)) };
  const topic = (where[0] === 't' ? where.slice(1) : where).join('/');
  return { type: PUBLISH, topic, payload, qos: 0, retain, dup: false, id: 0, properties: contentType };
}
