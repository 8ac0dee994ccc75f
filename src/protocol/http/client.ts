// The client's side of HTTP: publishing is a POST, one after the other; each subscription is a stream of events on a wire of its own.
//
//     opening —first wake→ open —close, a wire is lost→ over
//
// One HTTP/1.1 connection carries either requests or, for good, an answer that never ends. With `another` the first wire is for requests, and
// each subscription opens one more; without it the first call decides what the wire is for, and what it is not for is refused.

import { type Message, NEVER, type Qos } from '../../contract/message.ts';
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
import type { Peer, Wire } from '../../contract/wire.ts';
import { Events } from './events.ts';
import { Exchanges, type HttpAnswer } from './exchanges.ts';
import { encodeHead } from './framing.ts';
import { outcomeOf, requestFieldsOf } from './map.ts';
import type { EventWords } from './packet.ts';

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
  meta: EVERY_META,
};

/**
 * HTTP/1.1. Settings: `connection` `keep-alive` (the default) or `close`, a wire for each request; `pipeline`, how many requests may be
 * unanswered on a wire, 1 unless said [RFC9112-9.3.2].
 */
export function httpSpeech(words: EventWords): Speech {
  return {
    name: 'http',
    carrier: 'stream',
    alpn: ['http/1.1'],
    ability: ABILITY,
    open: (wire, options, events) => new HttpSpeaker(wire, options, events, words),
  };
}

const GONE: Refusal = { outcome: 'unavailable', reason: 'the connection ended', code: 0 };
const TAKEN: Refusal = {
  outcome: 'not-supported',
  reason: 'an HTTP connection carries either requests or the events of one subscription',
  code: 0,
};
const MAX_PIPELINE = 64;

class HttpSpeaker implements Speaker {
  private readonly wire: Wire;
  private readonly options: SpeakerOptions;
  private readonly events: SpeakerEvents;
  private readonly words: EventWords;
  private readonly pipeline: number;
  private readonly closing: boolean;
  private readonly common: Readonly<Record<string, string>>;
  private state: 'opening' | 'open' | 'over' = 'opening';
  private goodbye = false;
  /** What the first wire is for, once that is decided. */
  private first: Peer | undefined;
  /** Where requests go, if not to wires of their own. */
  private desk: Exchanges | undefined;
  /** The first wire has ended. */
  private spent = false;
  private readonly streams = new Map<string, Events>();
  private readonly wires = new Set<Wire>();
  private publishing = 0;
  private waiting: (() => void)[] = [];
  private readonly unanswered = new Set<Answer>();
  private why: Refusal | undefined;

  constructor(wire: Wire, options: SpeakerOptions, events: SpeakerEvents, words: EventWords) {
    this.wire = wire;
    this.options = options;
    this.events = events;
    this.words = words;
    const { connection, pipeline } = options.settings;
    this.closing = connection === 'close';
    this.pipeline = Math.max(1, Math.min(MAX_PIPELINE, Number(pipeline ?? 1) || 1));
    this.common = commonFields(options, this.closing);
    // HTTP has no greeting: the wire is all there is to wait for.
    wire.wake(options.now());
  }

  // --- what the application asks ---

  get room(): number {
    if (this.state !== 'open' || this.wire.full) return 0;
    return Math.max(0, this.pipeline - this.publishing - this.waiting.length);
  }

  publish(m: Message, answer: Answer): void {
    this.inTurn(answer, () => {
      const target = targetOf(m, this.options);
      if (target === undefined) {
        answer({ outcome: 'topic-invalid', reason: 'the topic is no UTF-8', code: 0 });
        return;
      }
      const length = { 'Content-Length': String(m.payload.length) };
      const head = encodeHead(`POST ${target} HTTP/1.1`, {
        ...this.common,
        ...requestFieldsOf(m),
        ...length,
      });
      this.publishing++;
      const told = this.once((why) => {
        this.publishing--;
        answer(why);
        this.proceed();
      });
      this.withDesk(
        (desk) =>
          desk.ask(head, m.payload, (answered) =>
            told(answered === undefined ? (this.why ?? GONE) : refusalIn(answered)),
          ),
        told,
      );
    });
  }

  /** An answer that is given once: now, or when everything ends. */
  private once(answer: Answer): Answer {
    const told = (why: Refusal | undefined) => {
      if (this.unanswered.delete(told)) answer(why);
    };
    this.unanswered.add(told);
    return told;
  }

  /** Calls come in order: what waits for its turn is never overtaken. */
  private inTurn(answer: (why: Refusal) => void, act: () => void): void {
    if (this.state === 'over' || this.goodbye) answer(this.why ?? GONE);
    else if (this.state === 'open' && this.waiting.length === 0 && this.publishing < this.pipeline) act();
    else
      this.waiting.push(() => {
        if (this.state === 'over') answer(this.why ?? GONE);
        else act();
      });
  }

  private proceed(): void {
    while (this.waiting.length > 0 && (this.state === 'over' || this.publishing < this.pipeline))
      this.waiting.shift()!();
  }

  /** Servers close connections that are idle, and where each request has its own they are meant to end: there will be another. */
  private firstGone(idle: boolean): void {
    this.spent = true;
    this.desk = undefined;
    if (this.goodbye || !idle || this.options.another === undefined) this.over();
  }

  private withDesk(use: (desk: Exchanges) => void, refused: (why: Refusal) => void): void {
    if (this.desk !== undefined && !this.closing) {
      use(this.desk);
      return;
    }
    if (this.first === undefined && !this.spent) {
      this.desk = new Exchanges(this.wire, (idle) => this.firstGone(idle));
      this.first = this.desk;
      use(this.desk);
      return;
    }
    this.more((wire) => {
      const desk = new Exchanges(wire, () => {
        this.wires.delete(wire);
        if (!this.closing) this.over();
      });
      if (!this.closing) this.desk = desk;
      use(desk);
      return desk;
    }, refused);
  }

  subscribe(filter: string, qos: Qos, answer: (granted: Qos | Refusal) => void): void {
    this.inTurn(answer, () => {
      const level = qos === 0 ? 0 : 1;
      const query = `filter=${encodeURIComponent(filter)}&qos=${level}`;
      const target = `${baseOf(this.options)}/subscribe?${query}`;
      const { Connection: _, ...fields } = this.common;
      const head = encodeHead(`GET ${target} HTTP/1.1`, { ...fields, Accept: 'text/event-stream' });
      const told = this.once((why) => answer(why ?? level));
      const open = (wire: Wire) => this.stream(wire, filter, head, told);
      // The first wire is for requests if subscriptions can have their own.
      if (this.first === undefined && this.options.another === undefined) this.first = open(this.wire);
      else this.more(open, told);
    });
  }

  private stream(wire: Wire, filter: string, head: Uint8Array, answer: Answer): Events {
    const stream = new Events(
      wire,
      {
        now: () => this.options.now(),
        event: (type, data, now) => {
          if (type === 'open') answer(undefined);
          else if (type === 'message') this.delivered(filter, data, now);
          else if (type === 'error') this.why = refusalOf(200, data);
        },
        refused: (instead) => {
          this.streams.delete(filter);
          answer(instead === undefined ? (this.why ?? GONE) : (refusalIn(instead) ?? GONE));
        },
        gone: () => {
          this.wires.delete(wire);
          // Who unsubscribed, or was refused, has lost nothing; but the first wire is the connection itself.
          if (wire === this.wire || this.streams.get(filter) === stream) this.over();
        },
      },
      head,
    );
    this.streams.get(filter)?.close();
    this.streams.set(filter, stream);
    return stream;
  }

  private delivered(filter: string, data: string, now: number): void {
    const { message, retained } = this.words(data, now);
    this.events.delivered({ message, id: 0, retained, duplicate: false, filters: [filter] });
  }

  unsubscribe(filter: string, answer: Answer): void {
    this.inTurn(answer, () => {
      const stream = this.streams.get(filter);
      if (stream === undefined) {
        answer({ outcome: 'no-subscription', reason: 'there is no such subscription', code: 0 });
        return;
      }
      this.streams.delete(filter);
      stream.close();
      answer(undefined);
    });
  }

  /** Events are not acknowledged: no delivery has an id. */
  settle(_id: number, _outcome: Outcome): void {}

  close(): void {
    if (this.state === 'over') return;
    this.goodbye = true;
    for (const wire of this.wires) wire.end();
    if (this.spent) this.over();
    else this.wire.end();
  }

  private more(open: (wire: Wire) => Peer, refused: (why: Refusal) => void): void {
    const { another } = this.options;
    if (another === undefined) {
      refused(TAKEN);
      return;
    }
    another((wire) => {
      this.wires.add(wire);
      const peer = open(wire);
      if (this.state === 'over' || this.goodbye) wire.end();
      return peer;
    }, refused);
  }

  // --- the first wire ---

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    return this.first === undefined ? end : this.first.receive(bytes, start, end, now);
  }

  wake(now: number): void {
    if (this.state === 'opening') {
      this.state = 'open';
      const { clientId } = this.options;
      this.events.opened({ clientId, resumed: false, ability: ABILITY, server: 'HTTP/1.1' });
      this.proceed();
    } else this.first?.wake(now);
  }

  drained(now: number): void {
    this.first?.drained(now);
  }

  broken(why: Error): void {
    this.why ??= { outcome: 'payload-invalid', reason: why.message, code: 0 };
  }

  lost(now: number): void {
    if (this.state === 'opening') this.over();
    else if (this.first === undefined) this.firstGone(true);
    else this.first.lost(now);
  }

  /** A wire is lost, and with it what the speaker promised. */
  private over(): void {
    if (this.state === 'over') return;
    this.state = 'over';
    for (const wire of this.wires) wire.destroy();
    this.wire.destroy();
    for (const told of this.unanswered) told(this.why ?? GONE);
    this.proceed();
    this.events.ended(this.goodbye ? undefined : (this.why ?? GONE));
  }
}

function commonFields(o: SpeakerOptions, closing: boolean): Record<string, string> {
  const usual = o.port === 0 || o.port === 80;
  return {
    Host: usual ? o.host : `${o.host}:${o.port}`,
    ...(o.username !== undefined && { Authorization: `Basic ${credentials(o.username, o.password)}` }),
    ...(closing && { Connection: 'close' }),
  };
}

/** [RFC7617-2] */
function credentials(username: string, password: Uint8Array | undefined): string {
  let octets = String.fromCharCode(...new TextEncoder().encode(`${username}:`));
  for (const octet of password ?? []) octets += String.fromCharCode(octet);
  return btoa(octets);
}

function baseOf({ path }: SpeakerOptions): string {
  return path.replace(/\/+$/, '');
}

/** Undefined: the topic cannot be written down. */
function targetOf(m: Message, o: SpeakerOptions): string | undefined {
  const terms = [
    ...(m.qos === 0 ? ['qos=0'] : []),
    ...(m.retain ? ['retain=true'] : []),
    ...(m.expiresAt === NEVER ? [] : [`expiry=${Math.max(0, Math.ceil(m.expiresAt - o.now()))}ms`]),
  ];
  let topic: string;
  try {
    topic = m.topic.split('/').map(encodeURIComponent).join('/');
  } catch {
    return undefined; // half a surrogate pair
  }
  return `${baseOf(o)}/topics/${topic}${terms.length === 0 ? '' : `?${terms.join('&')}`}`;
}

/** Why a request failed; undefined: it did not. */
function refusalIn({ status, body }: HttpAnswer): Refusal | undefined {
  return status < 300 ? undefined : refusalOf(status, new TextDecoder().decode(body));
}

/** `{"code": …, "detail": …}`, and `reason` in events. */
function refusalOf(status: number, problem: string): Refusal {
  let said: { readonly code?: unknown; readonly detail?: unknown; readonly reason?: unknown } = {};
  try {
    said = Object(JSON.parse(problem));
  } catch {
    // Something between us and the hub answered: its status must do.
  }
  const code = typeof said.code === 'string' ? said.code : undefined;
  const sentence = said.detail ?? said.reason;
  return {
    outcome: outcomeOf(status, code),
    reason: typeof sentence === 'string' ? sentence : `HTTP status ${status}`,
    code: status === 200 ? 0 : status,
  };
}
