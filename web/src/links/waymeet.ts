// `waymeet.v1`: JSON frames over WebSocket.

import {
  type Arrived,
  type Link,
  type LinkEvents,
  type LinkOptions,
  type Outgoing,
  type Qos,
  webSocketUrl,
} from './link.ts';

interface Waiting {
  resolve(frame: Frame): void;
  reject(why: Error): void;
}

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

const utf8 = new TextEncoder();

export class WaymeetLink implements Link {
  private readonly socket: WebSocket;
  private readonly events: LinkEvents;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private connected = false;
  private ended = false;
  private said: string | undefined;
  private final = false;
  private pinging = 0;

  constructor(o: LinkOptions, path: string, events: LinkEvents) {
    this.events = events;
    this.socket = new WebSocket(webSocketUrl(path), 'waymeet.v1');
    this.socket.onopen = () => {
      this.send({
        type: 'connect',
        ...(o.clientId !== '' && { client: o.clientId }),
        ...(o.username !== '' && { username: o.username }),
        ...(o.password !== '' && { password: o.password }),
        ...(o.expirySeconds > 0 && { keepMs: o.expirySeconds * 1_000 }),
        ...(o.clean && { fresh: true }),
        ...(o.keepAliveSeconds > 0 && { keepAliveMs: o.keepAliveSeconds * 1_000 }),
        ...(o.will && { will: { ...o.will, qos: Math.min(1, o.will.qos) } }),
      });
      if (o.keepAliveSeconds > 0)
        this.pinging = window.setInterval(() => this.send({ type: 'ping' }), o.keepAliveSeconds * 750);
    };
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(String(data)) as Frame, String(data));
    this.socket.onclose = ({ reason }) => this.over(this.said ?? (reason || 'the connection was lost'));
  }

  private send(frame: object): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  private take(frame: Frame, raw: string): void {
    switch (frame.type) {
      case 'connected':
        this.connected = true;
        this.events.up(frame.client ?? '', frame.resumed ?? false);
        return;
      case 'message': {
        const { ack } = frame as Frame & { ack?: number };
        if (ack !== undefined) this.send({ type: 'ack', id: ack });
        this.events.message(arrivedOf(frame as unknown as JsonMessage, raw));
        return;
      }
      case 'error':
        if (frame.id !== undefined) this.settle(frame.id, frame);
        else {
          this.said = frame.reason ?? frame.code ?? 'refused';
          this.final = !this.connected || frame.code === 'taken-over';
        }
        return;
      case 'published':
      case 'subscribed':
      case 'unsubscribed':
        if (frame.id !== undefined) this.settle(frame.id, frame);
    }
  }

  private settle(id: number, frame: Frame): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (frame.type === 'error') waiting?.reject(new Error(frame.reason ?? frame.code ?? 'refused'));
    else waiting?.resolve(frame);
  }

  private ask(frame: object): Promise<Frame> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.send({ ...frame, id });
    });
  }

  async subscribe(filter: string, qos: Qos): Promise<number> {
    const frame = await this.ask({ type: 'subscribe', filter, qos: Math.min(1, qos) });
    return frame.qos ?? 0;
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.ask({ type: 'unsubscribe', filter });
  }

  async publish(m: Outgoing): Promise<void> {
    await this.ask({ type: 'publish', ...contentOf(m) });
  }

  close(): void {
    this.ended = true;
    this.send({ type: 'disconnect' });
    this.socket.close();
    this.over('');
  }

  private over(why: string): void {
    clearInterval(this.pinging);
    for (const { reject } of this.waiting.values())
      reject(new Error('the connection was lost before the answer'));
    this.waiting.clear();
    if (!this.ended) this.events.down(why, !this.final);
    this.ended = true;
  }
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
  const properties: [string, string][] = Object.entries(rest)
    .filter(([name]) => name !== 'type' && name !== 'ack')
    .map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)]);
  for (const { name, value } of user ?? [])
    properties.push([`user: ${name}`, typeof value === 'object' ? JSON.stringify(value) : String(value)]);
  const octets =
    payloadBase64 === undefined
      ? utf8.encode(payload ?? '')
      : Uint8Array.from(atob(payloadBase64), (c) => c.charCodeAt(0));
  return {
    topic,
    payload: octets,
    qos: qos ?? 0,
    retain: retain ?? false,
    properties,
    contentType: m.contentType,
    raw,
  };
}

function contentOf(m: Outgoing): object {
  return {
    topic: m.topic,
    ...payloadOf(m.payload),
    qos: Math.min(1, m.qos),
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
