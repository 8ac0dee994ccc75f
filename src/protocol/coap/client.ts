// The client's side of CoAP as a Speaker: topics under `/t/`, published by PUT and observed by GET, over every carrier.

import { Message, type Meta, NEVER, type Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type {
  Ability,
  Answer,
  Refusal,
  Speaker,
  SpeakerEvents,
  SpeakerOptions,
  Speech,
} from '../../contract/speaker.ts';
import { EVERY_META } from '../../contract/speaker.ts';
import type { Wire } from '../../contract/wire.ts';
import { type Call, type CallAnswer, optionOf } from './call.ts';
import { CoapCaller } from './caller.ts';
import { decodeUint } from './decode.ts';
import { decodeEnvelope, type Enveloped, encodeEnvelope, needsEnvelope } from './envelope.ts';
import { CODE_OF, contentFormatOf, metaOf } from './map.ts';
import { decodeText } from './options.ts';
import type { OscoreCrypto, OscoreSecret } from './oscore.ts';
import { CODE, codeText, ENVELOPE_FORMAT, NON_CONFIRMABLE, OPTION } from './packet.ts';
import { Sealing } from './sealing.ts';

/**
 * QoS 0 is a non-confirmable message, QoS 1 a confirmable one. Of QoS 2 CoAP knows as much as its message ids do, which do not outlive
 * an address: not enough. A delivery is acknowledged as it arrives, so that there is nothing to settle.
 */
const ABILITY: Ability = {
  publishQos: [0, 1],
  subscribeQos: [0, 1],
  retain: true,
  wildcards: true,
  shared: true,
  queues: true,
  sessions: false,
  wills: false,
  expiry: true,
  meta: ['text', ...EVERY_META],
};

/** No answer at all, not even a refusal [RFC7967-2.1]. */
const NO_ANSWER = 26;
/** Requests of which the answer is not there yet: NSTART [RFC7252-4.7], and on streams as many as an impatient publisher needs. */
const NSTART = 1;
const STREAM_WINDOW = 64;
/** What an expiry in the query may be at most, seconds. */
const MAX_EXPIRY = 999_999_999;
/** A path segment has at most so many octets [RFC7252-5.10]. */
const MAX_SEGMENT_BYTES = 255;
const utf8 = new TextEncoder();

function speech(name: string, carrier: Speech['carrier']): Speech {
  return {
    name,
    carrier,
    ability: ABILITY,
    ...(carrier === 'message' ? { subprotocols: ['coap'] } : {}), // [RFC8323-8.1]
    ...(carrier === 'stream' ? { alpn: ['coap'] } : {}), // [RFC8323-8.2]
    open: (wire, options, events) => new CoapSpeaker(wire, options, events, carrier, undefined),
  };
}

/** One of these, with every request sealed (RFC 8613). */
export function sealed(speech: Speech, secret: OscoreSecret, cipher: OscoreCrypto): Speech {
  return {
    ...speech,
    open: (wire, options, events) => {
      const sealing = new Sealing(
        secret,
        cipher,
        () => options.now(),
        (length) => options.random(length),
      );
      return new CoapSpeaker(wire, options, events, speech.carrier, sealing);
    },
  };
}

/** `coap://`, and over DTLS `coaps://`. */
export const coapSpeech: Speech = speech('coap', 'datagram');
/** `coap+tcp://`, `coaps+tcp://`. */
export const coapStreamSpeech: Speech = speech('coap+tcp', 'stream');
/** `coap+ws://`, `coaps+ws://`: at the path `/.well-known/coap`. */
export const coapMessageSpeech: Speech = speech('coap+ws', 'message');

interface Waiting {
  readonly message: Message;
  readonly answer: Answer;
}

interface Observation {
  /** What was granted; undefined before. */
  qos: Qos;
  granted: boolean;
  /** The last value, by which a renewal tells whether there is another one. */
  last: Uint8Array | undefined;
  cancel: () => void;
}

/** opening (asked for discovery, which logs in) → open → ended. */
class CoapSpeaker implements Speaker {
  private readonly wire: Wire;
  private readonly options: SpeakerOptions;
  private readonly events: SpeakerEvents;
  private readonly caller: CoapCaller;
  private readonly window: number;
  private readonly credentials: readonly string[];
  private readonly datagrams: boolean;
  private state: 'opening' | 'open' | 'ended' = 'opening';
  private why: Refusal | undefined;
  private readonly queue: Waiting[] = [];
  private readonly early: (() => void)[] = [];
  private readonly observed = new Map<string, Observation>();
  private busy = 0;
  /** A body goes in blocks: what was published after it waits, so that the order stays. */
  private uploading = false;
  /** How much had been heard when the last ping went out. */
  private pingedAfter = -1;

  constructor(
    wire: Wire,
    options: SpeakerOptions,
    events: SpeakerEvents,
    carrier: Speech['carrier'],
    sealing: Sealing | undefined,
  ) {
    this.wire = wire;
    this.options = options;
    this.events = events;
    this.datagrams = carrier === 'datagram';
    this.window = this.datagrams ? NSTART : STREAM_WINDOW;
    const { clientId, username, password } = options;
    this.credentials = [
      ...(clientId === '' ? [] : [`c=${clientId}`]),
      ...(username === undefined ? [] : [`u=${username}`]),
      ...(password === undefined ? [] : [`p=${decodeText(password) ?? ''}`]),
    ];
    this.caller = new CoapCaller(wire, {
      framing: carrier,
      sealing,
      random: (length) => options.random(length),
      now: () => options.now(),
      lost: () => this.over(),
    });
    this.knock();
    if (options.keepAliveMs > 0) this.watch();
  }

  /** Who we are is said once: the endpoint is logged in from then on. */
  private knock(): void {
    const path = ['.well-known', 'core'];
    this.caller.call(
      { code: CODE.get, path, query: ['rt=waymeet.topics', ...this.credentials] },
      {
        answer: (a) => {
          const absent = a.code === CODE.notFound || a.code === CODE.methodNotAllowed; // no hub, but it speaks CoAP
          if (a.code >> 5 === 2 || absent) this.opened();
          // Sealed with something else than it knows [RFC8613-8.2].
          else if (a.code === CODE.badRequest) this.end({ ...refusalOf(a), outcome: 'bad-credentials' });
          else this.end(refusalOf(a));
        },
        failed: (why) => this.end(unavailable(why)),
      },
    );
  }

  private opened(): void {
    if (this.state !== 'opening') return;
    this.state = 'open';
    const { clientId } = this.options;
    this.events.opened({ clientId, resumed: false, ability: ABILITY, server: 'CoAP' });
    for (const act of this.early.splice(0)) act();
    this.pump();
  }

  get room(): number {
    if (this.state === 'ended' || this.wire.full) return 0;
    return Math.max(0, this.window - this.busy - this.queue.length);
  }

  // ---- publishing

  publish(message: Message, answer: Answer): void {
    const refusal = this.state === 'ended' ? this.gone() : refusalOfMessage(message);
    if (refusal !== undefined) {
      answer(refusal);
      return;
    }
    this.queue.push({ message, answer });
    this.pump();
  }

  private pump(): void {
    while (this.state === 'open' && this.queue.length > 0 && !this.uploading) {
      const { message, answer } = this.queue[0]!;
      const now = this.options.now();
      const call = callOf(message, now);
      const large = call.payload.length > this.caller.maxPayloadBytes;
      const told = message.qos === 0 && !large;
      if (!told && this.busy >= (large ? 1 : this.window)) return;
      this.queue.shift();
      if (message.expiresAt <= now)
        answer(undefined); // nobody would want it any more
      else if (told) {
        this.caller.tell({ ...call, noResponse: NO_ANSWER });
        answer(undefined);
      } else this.put(call, large, answer);
    }
  }

  private put(call: Call, large: boolean, answer: Answer): void {
    this.busy++;
    this.uploading = large;
    const done = (why: Refusal | undefined): void => {
      this.busy--;
      if (large) this.uploading = false;
      answer(why);
      this.pump();
    };
    this.caller.call(call, {
      answer: (a) => done(a.code >> 5 === 2 ? undefined : refusalOf(a)),
      failed: (why) => {
        this.end(unavailable(why)); // first: what waits goes nowhere
        done(unavailable(why));
      },
    });
  }

  // ---- observing

  subscribe(filter: string, qos: Qos, answer: (granted: Qos | Refusal) => void): void {
    if (this.state === 'opening') this.early.push(() => this.subscribe(filter, qos, answer));
    else if (this.state === 'ended') answer(this.gone());
    else if (!fitsPath(filter)) answer(refusal('filter-invalid', 'a level of more than 255 octets'));
    else this.observe(filter, qos > 1 ? 1 : qos, answer);
  }

  private observe(filter: string, qos: Qos, answer: (granted: Qos | Refusal) => void): void {
    this.observed.get(filter)?.cancel();
    const one: Observation = { qos, granted: false, last: undefined, cancel() {} };
    this.observed.set(filter, one);
    let answered = false;
    const tell = (granted: Qos | Refusal): void => {
      if (!answered) answer(granted);
      answered = true;
    };
    const refused = (why: Refusal): void => {
      if (this.observed.get(filter) === one) this.observed.delete(filter);
      if (!one.granted) tell(why);
      else this.end(why); // it was granted, and is not any more
    };
    const cancel = this.caller.call(
      {
        code: CODE.get,
        path: pathOf(filter),
        query: [`qos=${qos}`, 'conflate=0', 'envelope=auto'],
        observe: true,
        events: true,
      },
      {
        answer: (a) => {
          // Over the limit it is a GET like any other, of a topic that may have no value [RFC7641-4.1].
          if (a.code === CODE.notFound) refused(refusal('quota-exceeded', 'too many subscriptions', a.code));
          else if (a.code >> 5 !== 2) refused(refusalOf(a));
          else if (a.kind !== 'notification' && optionOf(a, OPTION.observe) === undefined)
            refused(refusal('quota-exceeded', 'too many subscriptions', a.code));
          else {
            if (!one.granted) {
              one.granted = true;
              tell(qos);
            }
            this.heard(filter, one, a);
          }
        },
        failed: (why) => {
          refused(unavailable(why));
          this.end(unavailable(why));
        },
      },
    );
    one.cancel = () => {
      cancel();
      tell(refusal('no-subscription', 'it was ended before it was granted'));
    };
  }

  private heard(filter: string, one: Observation, a: CallAnswer): void {
    const fresh = a.kind === 'notification';
    // The answer to a registration is the topic's last value; without one, nothing.
    if (!fresh && (a.payload.length === 0 || (one.last !== undefined && same(one.last, a.payload)))) return;
    one.last = a.payload;
    const retained = !fresh || optionOf(a, OPTION.retained) !== undefined;
    const message = this.messageOf(filter, one.qos, a, retained);
    if (message !== undefined) this.events.delivered({ message, id: 0, retained, duplicate: false });
  }

  private messageOf(filter: string, granted: Qos, a: CallAnswer, retained: boolean): Message | undefined {
    const format = optionOf(a, OPTION.contentFormat);
    const number = format === undefined ? undefined : decodeUint(format);
    const content: Enveloped | undefined =
      number === ENVELOPE_FORMAT
        ? decodeEnvelope(a.payload, 'cbor')
        : { topic: undefined, payload: a.payload, meta: metaOf(number, a.payload) };
    if (content === undefined) return undefined; // nothing that this hub says
    const place = a.options.filter((o) => o.number === OPTION.locationPath);
    const levels = place.slice(1).map((o) => decodeText(o.value) ?? '');
    const topic = content.topic ?? (levels.length > 0 ? levels.join('/') : filter);
    const now = this.options.now();
    const age = optionOf(a, OPTION.maxAge);
    const expiresAt = age === undefined ? NEVER : now + decodeUint(age) * 1_000;
    const qos = a.type === NON_CONFIRMABLE ? 0 : granted;
    const origin = { protocol: 'coap', client: '', principal: '' };
    const meta: Meta | undefined = content.meta;
    return new Message(topic, content.payload, qos, retained, origin, now, expiresAt, meta);
  }

  unsubscribe(filter: string, answer: Answer): void {
    if (this.state === 'opening') {
      this.early.push(() => this.unsubscribe(filter, answer));
      return;
    }
    const one = this.observed.get(filter);
    this.observed.delete(filter);
    one?.cancel();
    answer(one === undefined ? refusal('no-subscription', 'not subscribed') : undefined);
  }

  /** Nothing waits to be settled. */
  settle(): void {}

  // ---- being there

  private watch(): void {
    const { keepAliveMs } = this.options;
    const now = this.options.now();
    const { heardAt, heardCount } = this.caller;
    if (heardAt + keepAliveMs > now) {
      this.caller.remind(heardAt + keepAliveMs, () => this.watch());
      return;
    }
    // A ping over datagrams is repeated, and tells by itself; a stream has its own repetition, so that one silence more is the end.
    if (this.pingedAfter === heardCount) {
      if (!this.datagrams) this.end(refusal('idle', 'no answer to a ping'));
    } else {
      this.pingedAfter = heardCount;
      this.caller.ping(() => this.end(refusal('idle', 'no answer to a ping')));
    }
    this.caller.remind(now + keepAliveMs, () => this.watch());
  }

  close(): void {
    if (this.state === 'ended') return;
    for (const one of this.observed.values()) one.cancel();
    this.caller.release();
    this.end(undefined);
  }

  private end(why: Refusal | undefined): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.why = why;
    this.wire.end();
  }

  /** The wire is gone: whatever has no answer yet gets one. */
  private over(): void {
    const why = this.state === 'ended' ? this.why : unavailable('the connection is lost');
    this.state = 'ended';
    this.why = why;
    for (const { answer } of this.queue.splice(0)) answer(this.gone());
    for (const act of this.early.splice(0)) act();
    this.events.ended(why);
  }

  private gone(): Refusal {
    return this.why ?? unavailable('the connection is closed');
  }

  receive(bytes: Uint8Array, start: number, end: number): number {
    return this.caller.receive(bytes, start, end);
  }

  drained(): void {
    this.pump();
  }

  wake(now: number): void {
    this.caller.wake(now);
  }

  broken(why: Error): void {
    this.caller.broken(why);
  }

  lost(): void {
    this.caller.lost();
  }
}

function pathOf(topic: string): string[] {
  return ['t', ...topic.split('/')];
}

function fitsPath(topic: string): boolean {
  return topic.split('/').every((level) => utf8.encode(level).length <= MAX_SEGMENT_BYTES);
}

function refusalOfMessage({ qos, topic }: Message): Refusal | undefined {
  if (qos === 2) return refusal('not-supported', 'CoAP has no QoS 2');
  return fitsPath(topic) ? undefined : refusal('topic-invalid', 'a level of more than 255 octets');
}

/** The PUT that publishes a message: plain where options can say it all, else in an envelope. */
function callOf(m: Message, now: number): Call & { readonly payload: Uint8Array } {
  const format = contentFormatOf(m.meta);
  const plain = !needsEnvelope(m.meta) && (format !== undefined || m.meta?.contentType === undefined);
  const said = [`qos=${m.qos}`];
  if (m.retain) said.push('retain=1');
  if (m.expiresAt !== NEVER) {
    said.push(`expiry=${Math.min(MAX_EXPIRY, Math.ceil((m.expiresAt - now) / 1_000))}`);
  }
  const call = { code: CODE.put, path: pathOf(m.topic), query: said, confirmable: m.qos > 0 };
  if (!plain) return { ...call, payload: encodeEnvelope(m, 'cbor'), contentFormat: ENVELOPE_FORMAT };
  return { ...call, payload: m.payload, ...(format === undefined ? {} : { contentFormat: format }) };
}

/** The hub's own word stands in the payload of its refusals; other servers have their codes alone. */
function refusalOf({ code, payload }: CallAnswer): Refusal {
  const text = decodeText(payload) ?? '';
  const reason = text === '' ? codeText(code) : text;
  const outcome: Outcome =
    text in CODE_OF && CODE_OF[text as Outcome] === code ? (text as Outcome) : outcomeOf(code);
  return { outcome, reason, code };
}

function outcomeOf(code: number): Outcome {
  switch (code) {
    case CODE.unauthorized:
      return 'bad-credentials';
    case CODE.forbidden:
      return 'not-authorized';
    case CODE.badRequest:
      return 'topic-invalid';
    case CODE.notFound:
      return 'no-subscription';
    case CODE.requestTooLarge:
      return 'too-large';
    case CODE.unsupportedFormat:
    case CODE.notAcceptable:
    case CODE.unprocessable:
      return 'payload-invalid';
    case CODE.tooManyRequests:
      return 'rate-exceeded';
    case CODE.methodNotAllowed:
    case CODE.notImplemented:
    case CODE.badOption:
      return 'not-supported';
    default:
      return 'unavailable';
  }
}

function refusal(outcome: Outcome, reason: string, code = 0): Refusal {
  return { outcome, reason, code };
}

function unavailable(reason: string): Refusal {
  return refusal('unavailable', reason);
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}
