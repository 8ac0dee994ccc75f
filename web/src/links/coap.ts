// CoAP over WebSocket (RFC 8323), with the hub's own codec: topics are `/t/{levels…}`, subscriptions are observations.

import { decodeUint } from '../../../src/protocol/coap/decode.ts';
import { encodeOptions, encodeUint } from '../../../src/protocol/coap/encode.ts';
import { decodeMessage, encodeFrame } from '../../../src/protocol/coap/frame.ts';
import { contentFormatOf, contentTypeOf } from '../../../src/protocol/coap/map.ts';
import {
  CODE,
  type CoapMessage,
  type CoapOption,
  codeText,
  NOTHING,
  OPTION,
  SIGNAL,
} from '../../../src/protocol/coap/packet.ts';
import {
  type Link,
  type LinkEvents,
  type LinkOptions,
  type Outgoing,
  type Raw,
  type SubscribeOptions,
  webSocketUrl,
} from './link.ts';
import { Questions } from './sending.ts';
import { whyNot } from './why.ts';

/** What we take in one message; no block-wise transfer, so a body comes whole or not at all. */
const MAX_MESSAGE_BYTES = 1_048_576;
const MAX_MESSAGE_SIZE = 2;
const TOPICS = 't';

const utf8 = new TextEncoder();
const text = new TextDecoder();

interface Observation {
  readonly filter: string;
  readonly qos: number;
  readonly token: Uint8Array;
}

export class CoapLink implements Link {
  private readonly socket: WebSocket;
  private readonly o: LinkOptions;
  private readonly events: LinkEvents;
  private readonly questions = new Questions<CoapMessage>();
  private readonly observed = new Map<number, Observation>();
  private opened = false;
  private greeted = false;
  private ended = false;
  private pinging = 0;
  private said: string | undefined;
  private final = false;

  constructor(o: LinkOptions, path: string, events: LinkEvents) {
    this.o = o;
    this.events = events;
    this.socket = new WebSocket(webSocketUrl(path), 'coap');
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => {
      this.opened = true;
      this.send(SIGNAL.csm, NOTHING, [{ number: MAX_MESSAGE_SIZE, value: encodeUint(MAX_MESSAGE_BYTES) }]);
    };
    this.socket.onmessage = ({ data }) => this.receive(new Uint8Array(data as ArrayBuffer));
    this.socket.onclose = async ({ reason }) => {
      this.said ??= reason || (this.opened ? 'the connection was lost' : await whyNot());
      this.over(this.said);
    };
  }

  private send(
    code: number,
    token: Uint8Array,
    options: readonly CoapOption[],
    payload: Uint8Array = NOTHING,
  ): Raw {
    const frame = encodeFrame(code, token, encodeOptions(options, 0, payload), true);
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(frame.slice());
      this.events.packet('out', frame);
    }
    return frame;
  }

  private receive(bytes: Uint8Array): void {
    this.events.packet('in', bytes);
    let m: CoapMessage;
    try {
      m = decodeMessage(bytes, 0, bytes.length);
    } catch (error) {
      this.said = `the hub broke the protocol: ${(error as Error).message}`;
      this.socket.close();
      return;
    }
    if (m.code >> 5 === 7) this.signalled(m);
    else this.answered(m, bytes);
  }

  private signalled(m: CoapMessage): void {
    if (m.code === SIGNAL.csm && !this.greeted) {
      this.greeted = true;
      void this.login();
    } else if (m.code === SIGNAL.ping) this.send(SIGNAL.pong, m.token, []);
    else if (m.code === SIGNAL.release || m.code === SIGNAL.abort) {
      this.said =
        m.code === SIGNAL.abort ? `the hub gave up: ${text.decode(m.payload)}` : 'the hub said goodbye';
      this.socket.close();
    }
  }

  /** The first request carries who we are: a read of what is always there tells whether we may come in. */
  private async login(): Promise<void> {
    const { clientId, username, password, keepAliveSeconds } = this.o;
    const said: [string, string][] = [
      ['c', clientId],
      ['u', username],
      ['p', password],
    ];
    const query = said.filter(([, value]) => value !== '').map(([name, value]) => `${name}=${value}`);
    const answer = await this.ask(CODE.get, requestOptions(['.well-known', 'core'], query)).catch(
      () => undefined,
    );
    if (answer === undefined) return;
    if (answer.code >> 5 !== 2) {
      this.said = sentenceOf(answer);
      this.final = true;
      this.socket.close();
      return;
    }
    if (keepAliveSeconds > 0)
      this.pinging = window.setInterval(() => this.send(SIGNAL.ping, NOTHING, []), keepAliveSeconds * 750);
    this.events.up(clientId, false);
  }

  private ask(code: number, options: readonly CoapOption[], payload?: Uint8Array): Promise<CoapMessage> {
    return this.questions.ask((id) => this.send(code, tokenOf(id), options, payload));
  }

  private answered(m: CoapMessage, raw: Uint8Array): void {
    const id = decodeUint(m.token);
    const waiting = this.questions.take(id);
    if (waiting !== undefined) waiting.resolve(m);
    const observation = this.observed.get(id);
    // An empty content without a format is the answer where nothing is retained; a notification always has an ETag or a place.
    if (observation === undefined || m.code !== CODE.content) return;
    if (waiting !== undefined && m.payload.length === 0) return;
    this.events.message({
      topic: topicOf(m) ?? observation.filter,
      payload: m.payload,
      qos: observation.qos,
      // What comes with the answer itself is the retained message of the topic.
      retain: waiting !== undefined,
      properties: namedOptions(m),
      contentType: contentTypeIn(m),
      raw,
    });
  }

  async subscribe(filter: string, { qos }: SubscribeOptions): Promise<number> {
    const options = requestOptions([TOPICS, ...filter.split('/')], [`qos=${qos}`]);
    let number = 0;
    const answer = await this.questions.ask((id) => {
      number = id;
      const token = tokenOf(id);
      this.observed.set(id, { filter, qos, token });
      this.send(CODE.get, token, withObserve(options, 0));
    });
    if (answer.code >> 5 === 2) return qos;
    this.observed.delete(number);
    throw new Error(sentenceOf(answer));
  }

  async unsubscribe(filter: string): Promise<void> {
    for (const [id, { filter: observed, token }] of this.observed) {
      if (observed !== filter) continue;
      this.observed.delete(id);
      // The token of the observation says which one. [RFC7641-3.6]
      this.send(CODE.get, token, withObserve(requestOptions([TOPICS, ...filter.split('/')], []), 1));
    }
  }

  publish(m: Outgoing): { raw: Raw; taken: Promise<void> } {
    const query = [`qos=${m.qos}`, ...(m.retain ? ['retain=1'] : [])];
    if (m.expirySeconds > 0) query.push(`expiry=${m.expirySeconds}`);
    const format = contentFormatOf(m.contentType === '' ? undefined : { contentType: m.contentType });
    const options = requestOptions([TOPICS, ...m.topic.split('/')], query, format);
    let raw: Raw = '';
    const taken = this.questions.ask((id) => {
      raw = this.send(CODE.put, tokenOf(id), options, m.payload);
    });
    return {
      raw,
      taken: taken.then((answer) => {
        if (answer.code >> 5 !== 2) throw new Error(sentenceOf(answer));
      }),
    };
  }

  close(): void {
    this.ended = true;
    this.send(SIGNAL.release, NOTHING, []);
    this.socket.close();
    this.over('');
  }

  private over(why: string): void {
    clearInterval(this.pinging);
    this.questions.abandon();
    if (!this.ended) this.events.down(why, !this.final);
    this.ended = true;
  }
}

function tokenOf(id: number): Uint8Array {
  return Uint8Array.of(id >> 8, id & 0xff);
}

/** In ascending order of number, as the encoder needs them. */
function requestOptions(path: readonly string[], query: readonly string[], format?: number): CoapOption[] {
  return [
    ...path.map((level) => ({ number: OPTION.uriPath, value: utf8.encode(level) })),
    ...(format === undefined ? [] : [{ number: OPTION.contentFormat, value: encodeUint(format) }]),
    ...query.map((term) => ({ number: OPTION.uriQuery, value: utf8.encode(term) })),
  ];
}

function withObserve(options: readonly CoapOption[], value: 0 | 1): CoapOption[] {
  return [{ number: OPTION.observe, value: encodeUint(value) }, ...options];
}

function topicOf(m: CoapMessage): string | undefined {
  const path = m.options.filter((o) => o.number === OPTION.locationPath).map((o) => text.decode(o.value));
  return path[0] === TOPICS ? path.slice(1).join('/') : undefined;
}

function contentTypeIn(m: CoapMessage): string | undefined {
  const format = m.options.find((o) => o.number === OPTION.contentFormat);
  return format === undefined ? undefined : contentTypeOf(decodeUint(format.value));
}

function namedOptions(m: CoapMessage): [string, string][] {
  const named: [string, string][] = [];
  for (const { number, value } of m.options) {
    if (number === OPTION.observe) named.push(['observe', String(decodeUint(value))]);
    else if (number === OPTION.maxAge) named.push(['max-age', `${decodeUint(value)} s`]);
    else if (number === OPTION.eTag)
      named.push(['etag', [...value].map((o) => o.toString(16).padStart(2, '0')).join('')]);
    else if (number === OPTION.contentFormat)
      named.push(['content format', `${decodeUint(value)}, ${contentTypeOf(decodeUint(value))}`]);
  }
  return named;
}

const SENTENCES: Readonly<Record<number, string>> = {
  [CODE.unauthorized]: 'the user name or password is wrong or missing',
  [CODE.forbidden]: 'not allowed by the rules of this hub',
  [CODE.requestTooLarge]: 'the payload is larger than the hub takes',
  [CODE.tooManyRequests]: 'too many messages in a short time',
  [CODE.unavailable]: 'the hub is not available: try again later',
};

function sentenceOf(m: CoapMessage): string {
  const said = text.decode(m.payload);
  return `${SENTENCES[m.code] ?? (said || 'refused by the hub')} (${codeText(m.code)})`;
}
