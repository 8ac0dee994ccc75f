// Messages as the client's caller sees them: what may be said with one, and what came.

import { Message, type Meta, NEVER, type Origin, type Qos } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import type { Ability, Delivery } from '../contract/speaker.ts';
import { EVERY_META } from '../contract/speaker.ts';
import { WaymeetError } from './error.ts';

/** Text is sent as UTF-8; anything else that is no octets as JSON. */
export type Payload = string | Uint8Array | object | number | boolean | null;

export interface MessageOptions extends Meta {
  readonly qos?: Qos;
  readonly retain?: boolean;
  /** How long it is worth delivering. */
  readonly expiryMs?: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const NOBODY: Origin = { protocol: '', client: '', principal: '' };
const META: readonly (keyof Meta)[] = ['text', ...EVERY_META];

/** Without options and from octets or text, most often. Throws WaymeetError 'usage' for what is no JSON. */
export function makeMessage(topic: string, payload: Payload, o: MessageOptions, now: number): Message {
  const expiresAt = o.expiryMs === undefined ? NEVER : now + o.expiryMs;
  const { qos = 0, retain = false } = o;
  return new Message(topic, octetsOf(payload), qos, retain, NOBODY, now, expiresAt, metaOf(o));
}

function octetsOf(payload: Payload): Uint8Array {
  if (typeof payload === 'string') return encoder.encode(payload);
  if (payload instanceof Uint8Array) return payload;
  const text = JSON.stringify(payload);
  if (text === undefined) throw new WaymeetError('usage', '', 'the payload is no JSON');
  return encoder.encode(text);
}

function metaOf(o: MessageOptions): Meta | undefined {
  let meta: Record<string, unknown> | undefined;
  for (const name of META) {
    if (o[name] === undefined) continue;
    meta ??= {};
    meta[name] = o[name];
  }
  return meta as Meta | undefined;
}

/** Throws WaymeetError 'not-supported' unless the protocol can carry all of `m`: nothing is ever dropped unasked. */
export function checkMessage(m: Message, can: Ability, protocol: string, server: string): void {
  const lacks = (what: string) =>
    new WaymeetError('not-supported', protocol, `${server || protocol} cannot send ${what}`);
  if (!can.publishQos.includes(m.qos)) throw lacks(`at QoS ${m.qos}`);
  if (m.retain && !can.retain) throw lacks('retained messages');
  if (m.expiresAt !== NEVER && !can.expiry) throw lacks('an expiry');
  if (m.topic.startsWith('$queue/') && !can.queues) throw lacks('to a queue');
  if (m.meta === undefined) return;
  for (const name of Object.keys(m.meta) as (keyof Meta)[]) {
    if (!can.meta.includes(name)) throw lacks(`the property ${name}`);
  }
}

/** Answers a delivery, wherever the message still is. */
export interface Settling {
  settle(outcome: Outcome): void;
}

/** A message that came. */
export class IncomingMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  /** It is the topic's last value, not news. */
  readonly retained: boolean;
  /** It may have come before. */
  readonly duplicate: boolean;
  readonly meta: Meta;
  /** ms since 1970, or NEVER. */
  readonly expiresAt: number;
  /** The octets that it came in, where `ConnectOptions.tap` looks at the wire. */
  readonly packet: Uint8Array | undefined;
  /** It waits for `acknowledge`, `refuse` or `giveBack`. */
  settled: boolean;
  private readonly by: Settling;

  constructor(d: Delivery, by: Settling) {
    const { message } = d;
    this.topic = message.topic;
    this.payload = message.payload;
    this.qos = message.qos;
    this.retained = d.retained;
    this.duplicate = d.duplicate;
    this.meta = message.meta ?? {};
    this.expiresAt = message.expiresAt;
    this.packet = d.packet;
    this.settled = d.id === 0;
    this.by = by;
  }

  /** The payload as UTF-8. Throws TypeError when it is not. */
  text(): string {
    return decoder.decode(this.payload);
  }

  /** The payload as JSON. Throws SyntaxError or TypeError when it is not. */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }

  /** The first user property of that name. */
  property(name: string): string | undefined {
    const found = this.meta.user?.find((p) => p.name === name);
    return found === undefined ? undefined : String(found.value);
  }

  /** It is done with: it will not come again. */
  acknowledge(): void {
    this.settle('ok');
  }

  /** It will never be taken: it will not come again, and where the protocol can say so the other side is told. */
  refuse(why: Exclude<Outcome, 'ok' | 'unmatched' | 'busy'> = 'payload-invalid'): void {
    this.settle(why);
  }

  /** Somebody else may take it, or this client later. Without an answer it comes again in the next connection of the session. */
  giveBack(): void {
    this.settle('busy');
  }

  private settle(outcome: Outcome): void {
    if (this.settled) return;
    this.settled = true;
    this.by.settle(outcome);
  }
}
