// What all MQTT-SN clients of one hub share: who sleeps where, and the wills of sessions that outlive their connections.

import type { Access, Hub } from '../../contract/hub.ts';
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
 * again [MQTTSN12-6.3], also after a restart of the hub.
 */
export class RememberedWills {
  /** The oldest first; undefined: not read from the hub's notes yet. */
  private byClient: Map<string, Remembered> | undefined = undefined;
  private bytes = 0;

  get(access: Access): Will | undefined {
    const known = this.read(access).get(access.client);
    return known?.principal === access.identity.principal ? known.will : undefined;
  }

  /** Kept once `access.due` is reached. */
  set(access: Access, will: Will): void {
    const { client, identity } = access;
    this.delete(access, client);
    const one = { principal: identity.principal, will };
    // A hub that has no room for it any more remembers it until it is restarted.
    access.note(noteOf(client), textOf(one));
    this.add(this.read(access), client, one);
    for (const oldest of this.read(access).keys()) {
      if (this.read(access).size <= MAX_WILLS && this.bytes <= MAX_WILL_BYTES) return;
      this.delete(access, oldest);
    }
  }

  delete(access: Access, client: string): void {
    const wills = this.read(access);
    const known = wills.get(client);
    if (known === undefined) return;
    wills.delete(client);
    this.bytes -= weightOf(known.will);
    access.note(noteOf(client), undefined);
  }

  private add(wills: Map<string, Remembered>, client: string, one: Remembered): void {
    wills.set(client, one);
    this.bytes += weightOf(one.will);
  }

  private read(access: Access): Map<string, Remembered> {
    if (this.byClient !== undefined) return this.byClient;
    const wills = new Map<string, Remembered>();
    this.byClient = wills;
    for (const [name, text] of access.notes()) {
      if (name.startsWith(NOTE)) this.add(wills, name.slice(NOTE.length), rememberedOf(text));
    }
    return wills;
  }
}

const NOTE = 'will ';

function noteOf(client: string): string {
  return NOTE + client;
}

function textOf({ principal, will: { payload, ...rest } }: Remembered): string {
  let octets = '';
  for (const octet of payload) octets += String.fromCharCode(octet);
  return JSON.stringify({ principal, ...rest, payload: btoa(octets) });
}

function rememberedOf(text: string): Remembered {
  const { principal, topic, qos, retain, payload } = JSON.parse(text) as {
    principal: string;
    topic: string;
    qos: Will['qos'];
    retain: boolean;
    payload: string;
  };
  const octets = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
  return { principal, will: { topic, qos, retain, payload: octets } };
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
