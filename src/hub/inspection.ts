// The hub as its owner sees it: views of what it holds, the few changes by hand, and events.

import type { ClientView, HubEvent, Inspection, QueueView, SessionView } from '../contract/inspect.ts';
import { PRIVATE } from '../contract/mailbox.ts';
import { Message, NEVER } from '../contract/message.ts';
import { type AccessCore, clientKey } from './access.ts';
import type { HubCore } from './hub.ts';

/** The hub's own clients are no business of anybody. */
const OWN = 'hub';

export class HubInspection implements Inspection {
  private readonly hub: HubCore;
  private readonly watchers = new Set<(event: HubEvent) => void>();

  constructor(hub: HubCore) {
    this.hub = hub;
  }

  *clients(): Iterable<ClientView> {
    for (const access of this.hub.clients.values()) if (access.protocol !== OWN) yield viewOf(access);
  }

  client(protocol: string, client: string): ClientView | undefined {
    const access = this.hub.clients.get(clientKey(protocol, client));
    return access === undefined || protocol === OWN ? undefined : viewOf(access);
  }

  *sessions(): Iterable<SessionView> {
    for (const box of this.hub.boxes.values())
      if (box.protocol !== OWN && !box.name.startsWith(PRIVATE)) yield box;
  }

  session(protocol: string, name: string): SessionView | undefined {
    return protocol === OWN || name.startsWith(PRIVATE)
      ? undefined
      : this.hub.boxes.get(clientKey(protocol, name));
  }

  purge(protocol: string, name: string): number | undefined {
    return this.hub.boxes.get(clientKey(protocol, name))?.purge();
  }

  end(protocol: string, name: string): boolean {
    const box = this.hub.boxes.get(clientKey(protocol, name));
    if (box === undefined || box.attended) return false;
    this.hub.endMailbox(box);
    return true;
  }

  queues(): Iterable<QueueView> {
    return this.hub.queues.byName.values();
  }

  queue(name: string): QueueView | undefined {
    return this.hub.queues.byName.get(name);
  }

  purgeQueue(name: string): number | undefined {
    return this.hub.queues.byName.get(name)?.purge();
  }

  endQueue(name: string): boolean {
    const queue = this.hub.queues.byName.get(name);
    if (queue === undefined) return false;
    this.hub.queues.end(queue);
    return true;
  }

  retained(filter: string, visit: (m: Message) => void): void {
    this.hub.retained.select(filter, this.hub.now(), visit);
  }

  forget(topic: string): boolean {
    const now = this.hub.now();
    if (this.hub.retained.get(topic, now) === undefined) return false;
    const origin = { protocol: OWN, client: 'admin', principal: OWN };
    // As a client would clear it, but without telling the subscribers.
    this.hub.retained.set(new Message(topic, new Uint8Array(0), 0, true, origin, now, NEVER, undefined), 0);
    return true;
  }

  watch(see: (event: HubEvent) => void): () => void {
    this.watchers.add(see);
    return () => this.watchers.delete(see);
  }

  // --- what the hub tells ---

  connected(access: AccessCore): void {
    if (this.watchers.size === 0 || access.protocol === OWN) return;
    this.tell({ kind: 'connected', at: this.hub.now(), client: viewOf(access) });
  }

  disconnected(access: AccessCore, graceful: boolean): void {
    if (this.watchers.size === 0 || access.protocol === OWN) return;
    const { why } = access;
    const event = { kind: 'disconnected', at: this.hub.now(), client: viewOf(access), graceful } as const;
    this.tell(why === undefined ? event : { ...event, reason: why });
  }

  subscribed(kind: 'subscribed' | 'unsubscribed', protocol: string, session: string, filter: string): void {
    if (this.watchers.size === 0 || protocol === OWN) return;
    this.tell({ kind, at: this.hub.now(), protocol, session, filter });
  }

  private tell(event: HubEvent): void {
    for (const see of this.watchers) see(event);
  }
}

function viewOf({ protocol, client, identity, remote, since }: AccessCore): ClientView {
  return { protocol, client, principal: identity.principal, remote, since };
}
