// What clients did lately: when each came and went, why, and what it subscribed to. Bounded, and in memory only.

import type { HubEvent, Inspection } from '../contract/inspect.ts';

/** One thing that a client did, or that was done to it. */
export interface HistoryEntry {
  readonly at: number;
  readonly kind: HubEvent['kind'];
  readonly remote?: string;
  readonly principal?: string;
  /** Of `disconnected`: it said goodbye. */
  readonly graceful?: boolean;
  /** Of `disconnected`: why the hub sent it away. */
  readonly reason?: string;
  /** Of `subscribed` and `unsubscribed`. */
  readonly filter?: string;
}

/** Of each client. */
const MAX_ENTRIES = 50;
/** Who did nothing for longest is forgotten first. */
const MAX_CLIENTS = 5_000;

export class History {
  /** By protocol and client, the one that did something last at the end. */
  private readonly clients = new Map<string, HistoryEntry[]>();
  private readonly unwatch: () => void;

  constructor(inspection: Inspection) {
    this.unwatch = inspection.watch((event) => this.note(event));
  }

  close(): void {
    this.unwatch();
  }

  /** Oldest first; undefined: nothing is known of such a client. */
  of(protocol: string, client: string): readonly HistoryEntry[] | undefined {
    return this.clients.get(keyOf(protocol, client));
  }

  private note(event: HubEvent): void {
    const { at, kind } = event;
    if ('session' in event) {
      this.add(event.protocol, event.session, { at, kind, filter: event.filter });
      return;
    }
    const { protocol, client, remote, principal } = event.client;
    const entry = { at, kind, remote, principal };
    if (event.kind === 'connected') this.add(protocol, client, entry);
    else {
      const { graceful, reason } = event;
      this.add(protocol, client, { ...entry, graceful, ...(reason !== undefined && { reason }) });
    }
  }

  private add(protocol: string, client: string, entry: HistoryEntry): void {
    const key = keyOf(protocol, client);
    const entries = this.clients.get(key);
    if (entries !== undefined) this.clients.delete(key);
    // Most come once: a list made for one entry takes 24 octets, one that is pushed to 150.
    this.clients.set(key, entries ?? [entry]);
    if (entries !== undefined && entries.push(entry) > MAX_ENTRIES) entries.shift();
    if (this.clients.size > MAX_CLIENTS) this.clients.delete(this.clients.keys().next().value!);
  }
}

/** A protocol's name has no blank. */
function keyOf(protocol: string, client: string): string {
  return `${protocol} ${client}`;
}
