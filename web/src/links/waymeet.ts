// `waymeet.v1`: JSON frames over WebSocket.

import {
  type Arrived,
  type Link,
  type LinkEvents,
  type LinkOptions,
  type Outgoing,
  type Pairs,
  type Raw,
  type SubscribeOptions,
  webSocketUrl,
} from './link.ts';
import { Questions } from './sending.ts';
import { whyNot } from './why.ts';

/** What the hub says; only what is looked at. */
interface Frame {
  readonly type: string;
  readonly id?: number;
  readonly client?: string;
  readonly resumed?: boolean;
  readonly reason?: string;
  readonly code?: string;
  readonly qos?: number;
}

/** What `retainHandling` is called. */
const RETAINED = ['all', 'new', 'none'] as const;

const utf8 = new TextEncoder();

export class WaymeetLink implements Link {
  private readonly socket: WebSocket;
  private readonly events: LinkEvents;
  private readonly questions = new Questions<Frame>();
  /** Messages of QoS 2 that were taken and are not released. */
  private readonly taken = new Set<number>();
  private opened = false;
  private connected = false;
  private ended = false;
  private said: string | undefined;
  private final = false;
  private pinging = 0;

  constructor(o: LinkOptions, path: string, events: LinkEvents) {
    this.events = events;
    this.socket = new WebSocket(webSocketUrl(path), 'waymeet.v1');
    this.socket.onopen = () => {
      this.opened = true;
      this.send(connectFrame(o));
      if (o.keepAliveSeconds > 0)
        this.pinging = window.setInterval(() => this.send({ type: 'ping' }), o.keepAliveSeconds * 750);
    };
    this.socket.onmessage = ({ data }) => {
      events.packet('in', String(data));
      this.take(JSON.parse(String(data)) as Frame, String(data));
    };
    this.socket.onclose = async ({ reason }) => {
      this.said ??= reason || (this.opened ? 'the connection was lost' : await whyNot());
      this.over(this.said);
    };
  }

  private send(frame: object): Raw {
    const raw = JSON.stringify(frame);
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(raw);
      this.events.packet('out', raw);
    }
    return raw;
  }

  private take(frame: Frame, raw: string): void {
    switch (frame.type) {
      case 'connected':
        this.connected = true;
        this.events.up(frame.client ?? '', frame.resumed ?? false);
        return;
      case 'message': {
        this.arrived(frame as Frame & { ack?: number }, raw);
        return;
      }
      case 'error':
        if (frame.id !== undefined) this.settle(frame.id, frame);
        else {
          this.said = frame.reason ?? frame.code ?? 'refused';
          this.final = !this.connected || frame.code === 'taken-over';
        }
        return;
      case 'received':
        this.send({ type: 'release', id: frame.id });
        return;
      case 'release':
        this.taken.delete(frame.id!);
        this.send({ type: 'ack', id: frame.id });
        return;
      case 'published':
      case 'subscribed':
      case 'unsubscribed':
        if (frame.id !== undefined) this.settle(frame.id, frame);
    }
  }

  private arrived(frame: Frame & { ack?: number }, raw: string): void {
    const { ack, qos } = frame;
    if (ack !== undefined) this.send({ type: qos === 2 ? 'received' : 'ack', id: ack });
    if (ack !== undefined && qos === 2) {
      if (this.taken.has(ack)) return;
      this.taken.add(ack);
    }
    this.events.message(arrivedOf(frame as unknown as JsonMessage, raw));
  }

  private settle(id: number, frame: Frame): void {
    const waiting = this.questions.take(id);
    if (frame.type === 'error') waiting?.reject(new Error(frame.reason ?? frame.code ?? 'refused'));
    else waiting?.resolve(frame);
  }

  async subscribe(filter: string, o: SubscribeOptions): Promise<number> {
    const retained = RETAINED[o.retainHandling];
    const frame = { type: 'subscribe', filter, qos: o.qos, retained, ...(o.noLocal && { noLocal: true }) };
    const answer = await this.questions.ask((id) => this.send({ ...frame, id }));
    return answer.qos ?? 0;
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.questions.ask((id) => this.send({ type: 'unsubscribe', filter, id }));
  }

  publish(m: Outgoing): { raw: Raw; taken: Promise<void> } {
    let raw: Raw = '';
    const taken = this.questions.ask((id) => {
      raw = this.send({ type: 'publish', ...contentOf(m), id });
    });
    return { raw, taken: taken.then(() => undefined) };
  }

  close(): void {
    this.ended = true;
    this.send({ type: 'disconnect' });
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

function connectFrame(o: LinkOptions): object {
  const { will } = o;
  return {
    type: 'connect',
    ...(o.clientId !== '' && { client: o.clientId }),
    ...(o.username !== '' && { username: o.username }),
    ...(o.password !== '' && { password: o.password }),
    ...(o.expirySeconds > 0 && { keepMs: o.expirySeconds * 1_000 }),
    ...(o.clean && { fresh: true }),
    ...(o.keepAliveSeconds > 0 && { keepAliveMs: o.keepAliveSeconds * 1_000 }),
    ...(will && {
      will: {
        ...contentOf({ ...will, payload: utf8.encode(will.payload) }),
        ...(will.delaySeconds > 0 && { delayMs: will.delaySeconds * 1_000 }),
      },
    }),
  };
}

/** A message as `waymeet.v1` and server-sent events write it. */
export interface JsonMessage {
  readonly topic: string;
  readonly payload?: string;
  readonly payloadBase64?: string;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly contentType?: string;
  readonly user?: readonly { readonly name: string; readonly value: unknown }[];
}

export function arrivedOf(m: JsonMessage, raw: string): Arrived {
  const { topic, payload, payloadBase64, qos, retain, user, ...rest } = m;
  const named: [string, string][] = Object.entries(rest)
    .filter(([name]) => name !== 'type' && name !== 'ack')
    .map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)]);
  for (const { name, value } of user ?? [])
    named.push([`user: ${name}`, typeof value === 'object' ? JSON.stringify(value) : String(value)]);
  const octets =
    payloadBase64 === undefined
      ? utf8.encode(payload ?? '')
      : Uint8Array.from(atob(payloadBase64), (c) => c.charCodeAt(0));
  return {
    topic,
    payload: octets,
    qos: qos ?? 0,
    retain: retain ?? false,
    properties: named satisfies Pairs,
    contentType: m.contentType,
    raw,
  };
}

function contentOf(m: Omit<Outgoing, 'text'>): object {
  return {
    topic: m.topic,
    ...payloadOf(m.payload),
    qos: m.qos,
    retain: m.retain,
    ...(m.contentType !== '' && { contentType: m.contentType }),
    ...(m.responseTopic !== '' && { responseTopic: m.responseTopic }),
    ...(m.correlation !== '' && { correlation: m.correlation }),
    ...(m.expirySeconds > 0 && { expiryMs: m.expirySeconds * 1_000 }),
    ...(m.user.length > 0 && { user: m.user.map(([name, value]) => ({ name, value })) }),
  };
}

function payloadOf(payload: Uint8Array): object {
  try {
    return { payload: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload) };
  } catch {
    let octets = '';
    for (const octet of payload) octets += String.fromCharCode(octet);
    return { payloadBase64: btoa(octets) };
  }
}
