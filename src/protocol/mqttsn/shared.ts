// What all MQTT-SN clients of one hub share: who sleeps where, and the wills of sessions that outlive their connections.

import type { Hub } from '../../contract/hub.ts';
import type { Will } from './map.ts';

/** Wills that are remembered: so many, and so many octets. */
const MAX_WILLS = 10_000;
const MAX_WILL_BYTES = 16_777_216;

interface Remembered {
  readonly principal: string;
  readonly will: Will;
}

/**
 * Will data belongs to the session, not to the connection: a client that comes back without CleanSession has its will without saying it
 * again [MQTTSN12-6.3]. In memory; the will of who is connected is in the store.
 */
export class RememberedWills {
  /** The oldest first. */
  private readonly byClient = new Map<string, Remembered>();
  private bytes = 0;

  get(client: string, principal: string): Will | undefined {
    const known = this.byClient.get(client);
    return known?.principal === principal ? known.will : undefined;
  }

  set(client: string, principal: string, will: Will): void {
    this.delete(client);
    this.byClient.set(client, { principal, will });
    this.bytes += weightOf(will);
    for (const oldest of this.byClient.keys()) {
      if (this.byClient.size <= MAX_WILLS && this.bytes <= MAX_WILL_BYTES) return;
      this.delete(oldest);
    }
  }

  delete(client: string): void {
    const known = this.byClient.get(client);
    if (known === undefined) return;
    this.byClient.delete(client);
    this.bytes -= weightOf(known.will);
  }
}

function weightOf({ topic, payload }: Will): number {
  return topic.length + payload.length;
}

export class Shared<Sleeper> {
  readonly wills = new RememberedWills();
  /** By client id. */
  readonly sleepers = new Map<string, Sleeper>();
}

const byHub = new WeakMap<Hub, Shared<unknown>>();

export function sharedOf<Sleeper>(hub: Hub): Shared<Sleeper> {
  let shared = byHub.get(hub);
  if (shared === undefined) {
    shared = new Shared<unknown>();
    byHub.set(hub, shared);
  }
  return shared as Shared<Sleeper>;
}
