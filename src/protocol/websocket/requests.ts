// Requests of one client: each publishes with a response topic of the hub's, and waits for the first message there or its deadline.

import type { Access, Hub } from '../../contract/hub.ts';
import { type Consumer, type Grant, type Mailbox, PRIVATE, type Settler } from '../../contract/mailbox.ts';
import { Message, NEVER, type Origin, type Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { contentOf, messageOf } from './map.ts';
import type { Form, RequestFrame, ResponseFrame } from './packet.ts';

const DEFAULT_MS = 10_000;
const MAX_MS = 300_000;

/** Responses come back under it: `$` keeps them from those who subscribe to everything. */
const REPLY_ROOT = '$reply/waymeet.v1';

export interface RequestsHost {
  response(frame: ResponseFrame): void;
  /** Nobody answered request `id` in time. */
  expired(id: number): void;
  readonly form: Form;
}

export class Requests implements Consumer {
  private readonly hub: Hub;
  private readonly access: Access;
  private readonly origin: Origin;
  private readonly host: RequestsHost;
  private readonly root: string;
  private box: Mailbox | undefined;
  /** By the last level of the response topic. */
  private readonly waiting = new Map<string, { readonly id: number; readonly until: number }>();
  private asked = 0;

  constructor(hub: Hub, access: Access, origin: Origin, host: RequestsHost) {
    this.hub = hub;
    this.access = access;
    this.origin = origin;
    this.host = host;
    this.root = `${REPLY_ROOT}/${levelOf(access.client)}`;
  }

  /** Publishes; any outcome but 'ok' says that there will be no response. */
  ask(frame: RequestFrame, now: number): Outcome {
    if (this.waiting.size >= this.hub.limits.receiveMaximum) return 'quota-exceeded';
    const outcome = this.listen();
    if (outcome !== 'ok') return outcome;
    const level = String(++this.asked);
    const { timeoutMs = DEFAULT_MS } = frame;
    const m = messageOf(frame, this.origin, now);
    const correlation = m.meta?.correlation ?? level;
    const meta = { ...m.meta, responseTopic: `${this.root}/${level}`, correlation };
    this.waiting.set(level, { id: frame.id, until: now + Math.min(timeoutMs, MAX_MS) });
    const published = this.access.publish(
      new Message(m.topic, m.payload, m.qos, m.retain, m.origin, m.at, m.expiresAt, meta),
    );
    if (published !== 'ok') this.waiting.delete(level);
    return published;
  }

  /** Made with the first request: most clients have none. */
  private listen(): Outcome {
    if (this.box !== undefined) return 'ok';
    const { limits } = this.hub;
    const box = this.access.mailbox(`${PRIVATE}${this.access.client}/responses`, {
      fresh: true,
      keepMs: 0,
      capacity: limits.queueMessages,
      overflow: limits.overflow,
    });
    const { outcome } = box.subscribe({ filter: `${this.root}/+`, qos: 1, noLocal: false, tag: 0 });
    box.attach(this);
    if (outcome === 'ok') this.box = box;
    else box.detach(this);
    return outcome;
  }

  /** When the next one runs out of time. */
  get deadline(): number {
    let first = NEVER;
    for (const { until } of this.waiting.values()) if (until < first) first = until;
    return first;
  }

  expire(now: number): void {
    for (const [level, { id, until }] of this.waiting) {
      if (until > now) continue;
      this.waiting.delete(level);
      this.host.expired(id);
    }
  }

  close(): void {
    this.waiting.clear();
    this.box?.detach(this);
  }

  // --- the consumer ---

  ready(): boolean {
    return true;
  }

  deliver(m: Message, _q: Qos, _g: Grant, _r: boolean, id: number, _again: boolean, box: Settler): void {
    if (id !== 0) box.settle(id, 'ok');
    const level = m.topic.slice(this.root.length + 1);
    const asked = this.waiting.get(level);
    if (asked === undefined) return; // too late, or one answer more than was asked for
    this.waiting.delete(level);
    const { topic: _topic, ...content } = contentOf(m, this.host.form);
    this.host.response({ type: 'response', id: asked.id, ...content });
  }

  take(): number {
    return 0;
  }

  evict(): void {}
}

/** A client id as one level of a topic. */
function levelOf(client: string): string {
  return client.replace(/[%/+#]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
