// One logged-in client: what it may do, and what it waits for.

import type { Identity } from '../contract/auth.ts';
import type { Access, Guest } from '../contract/hub.ts';
import type { Mailbox, MailboxOptions } from '../contract/mailbox.ts';
import type { Message } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import type { Route, Run } from '../contract/run.ts';
import type { HubCore } from './hub.ts';
import type { OwnBox } from './mailbox.ts';
import type { TopicRoute } from './routes.ts';
import type { Will } from './wills.ts';

/** Cached permissions of one client; beyond it they are asked for again. */
const MAX_PERMITS = 4096;

export class AccessCore implements Access {
  readonly protocol: string;
  readonly client: string;
  /** Unique among clients of all protocols. */
  readonly key: string;
  readonly remote: string;
  readonly guest: Guest;
  readonly since: number;
  boxes: OwnBox[] = [];
  identity: Identity;
  gone = false;
  private readonly hub: HubCore;
  private ticket = 0;
  private last: Will | undefined = undefined;
  private permits: Map<string, boolean> | undefined = undefined;
  private epoch = -1;

  constructor(
    hub: HubCore,
    protocol: string,
    client: string,
    remote: string,
    identity: Identity,
    guest: Guest,
  ) {
    this.hub = hub;
    this.protocol = protocol;
    this.client = client;
    this.key = clientKey(protocol, client);
    this.remote = remote;
    this.identity = identity;
    this.guest = guest;
    this.since = hub.world.now();
  }

  get due(): number {
    const { journal } = this.hub;
    return journal !== undefined && this.ticket > journal.keptTicket ? this.ticket : 0;
  }

  /** What this client just did is true once the open batch is kept. */
  waits(): void {
    this.ticket = this.hub.journal!.ticket;
    this.hub.waiting.add(this);
  }

  publish(m: Message): Outcome {
    if (!this.mayPublish(m.topic)) return 'not-authorized';
    return this.hub.publish(m, this);
  }

  mayPublish(topic: string): boolean {
    if (topic.charCodeAt(0) === 0x24 && topic.startsWith('$SYS/') && this.protocol !== 'hub') return false;
    if (this.identity.unrestricted) return true;
    const { auth } = this.hub.world;
    if (this.permits === undefined || this.epoch !== auth.epoch || this.permits.size >= MAX_PERMITS) {
      this.permits = new Map();
      this.epoch = auth.epoch;
    }
    let allowed = this.permits.get(topic);
    if (allowed === undefined) {
      allowed = auth.allows(this.identity, this.client, 'publish', topic);
      this.permits.set(topic, allowed);
    }
    return allowed;
  }

  maySubscribe(filter: string): boolean {
    return (
      this.identity.unrestricted ||
      this.hub.world.auth.allows(this.identity, this.client, 'subscribe', filter)
    );
  }

  route(bytes: Uint8Array, start: number, end: number): Route | undefined {
    return this.hub.routes.byOctets(bytes, start, end);
  }

  open(route: Route): boolean {
    return this.hub.lane && !this.gone && this.mayPublish(route.topic);
  }

  same(a: Route, b: Route): boolean {
    if (a === b) return true;
    const { routes } = this.hub;
    return routes.fanout(a as TopicRoute) === routes.fanout(b as TopicRoute);
  }

  relay(route: Route, run: Run, message: (i: number) => Message): Outcome {
    return this.hub.relay(route as TopicRoute, run, message, this);
  }

  retained(topic: string): Message | undefined {
    return this.maySubscribe(topic) ? this.hub.retained.get(topic, this.hub.world.now()) : undefined;
  }

  mailbox(name: string, options: MailboxOptions): Mailbox {
    return this.hub.openMailbox(this, name, options);
  }

  owns(box: OwnBox): void {
    if (!this.boxes.includes(box)) this.boxes.push(box);
  }

  will(m: Message | undefined, delayMs: number): void {
    if (this.last !== undefined) this.hub.wills.drop(this.last);
    this.last = m === undefined ? undefined : this.hub.wills.make(this.key, m, delayMs);
    if (this.hub.journal !== undefined) this.waits();
  }

  renewed(identity: Identity): void {
    this.identity = identity;
    this.permits = undefined;
    this.hub.watchValidity(this);
  }

  leave(graceful: boolean, now: number): void {
    if (this.gone) return;
    this.gone = true;
    let keepMs = 0;
    for (const box of this.boxes) if (box.keepMs > keepMs) keepMs = box.keepMs;
    const will = this.last;
    this.last = undefined;
    this.hub.left(this, graceful);
    if (will === undefined) return;
    if (graceful)
      this.hub.wills.drop(will); // [MQTT5-3.14.4-3]
    else if (this.mayPublish(will.message.topic)) this.hub.wills.lost(this.key, will, keepMs, now);
    else this.hub.wills.drop(will);
  }
}

export function clientKey(protocol: string, client: string): string {
  return `${protocol}\0${client}`;
}
