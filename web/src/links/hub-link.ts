// A connection of the page to the hub: `waymeet/client`, in the page's words.

import {
  type Client,
  connect,
  type HealthEvent,
  type IncomingMessage,
  type SubscribeOptions as SubscribeHow,
  type Subscription,
  type WaymeetError,
} from '../../../src/client/browser.ts';
import type { PublishOptions } from '../../../src/client/client.ts';
import type { Ability } from '../../../src/contract/speaker.ts';
import { pairsOf } from '../payload/meta.ts';
import type { Arrived, Dialect, LinkEvents, LinkOptions, Outgoing, Raw, SubscribeOptions } from './link.ts';
import { loginOf, propertiesOf } from './login.ts';
import { sentenceOf, whyNot } from './why.ts';

/** What `retainHandling` is called. */
const RETAINED = ['all', 'new', 'none'] as const;

export class HubLink {
  private readonly o: LinkOptions;
  private readonly events: LinkEvents;
  private readonly ending = new AbortController();
  private readonly ready: Promise<Client>;
  private client: Client | undefined;
  private readonly subscriptions = new Map<string, { how: string; made: Promise<Subscription> }>();
  /** Packets as they are shown, and those whose message was told. */
  private readonly raws = new WeakMap<Uint8Array, Raw>();
  private readonly told = new WeakSet<Uint8Array>();
  /** Who waits for a message to leave, by its payload. */
  private readonly leaving = new WeakMap<Uint8Array, (raw: Raw) => void>();
  private up = false;

  constructor(url: string, o: LinkOptions, events: LinkEvents) {
    this.o = o;
    this.events = events;
    this.ready = connect(url, {
      ...loginOf(o),
      signal: this.ending.signal,
      watch: (event) => this.heard(event),
      ...(events.packet !== undefined && {
        tap: (direction, packet, message) => {
          const raw = rawOf(packet, o.dialect);
          if (direction === 'in') this.raws.set(packet, raw);
          events.packet!(direction, raw);
          if (message !== undefined) this.left(message.payload, raw);
        },
      }),
      unclaimed: (m) => {
        this.arrived(m, undefined);
        m.acknowledge();
      },
    });
    this.ready.then(
      (client) => {
        this.client = client;
      },
      () => {}, // `heard` was told
    );
  }

  private heard(event: HealthEvent): void {
    if (this.ending.signal.aborted) return;
    switch (event.kind) {
      case 'connected':
        this.up = true;
        this.events.up(event.opened);
        return;
      case 'lost':
        this.up = false;
        this.events.away(sentenceOf(event.error, this.o.dialect));
        return;
      case 'failed':
        void this.explain(event.error);
        return;
      case 'closed':
        this.ending.abort();
        this.events.down(sentenceOf(event.error, this.o.dialect));
    }
  }

  private async explain(error: WaymeetError): Promise<void> {
    const nobody = error.code === 'unreachable' || error.code === 'timed-out';
    const why = nobody ? await whyNot() : sentenceOf(error, this.o.dialect);
    if (!this.up && !this.ending.signal.aborted) this.events.away(why);
  }

  private arrived(m: IncomingMessage, filter: string | undefined): void {
    const { packet } = m;
    const again = packet !== undefined && this.told.has(packet);
    if (packet !== undefined) this.told.add(packet);
    this.events.message(arrivedOf(m, this.raws.get(packet ?? m.payload) ?? ''), filter, again);
  }

  private left(payload: Uint8Array, raw: Raw): void {
    const sent = this.leaving.get(payload);
    this.leaving.delete(payload);
    sent?.(raw);
  }

  /** Resolves with the QoS that was granted; rejects with the reason. What is asked again in the same way is not sent again. */
  async subscribe(filter: string, o: SubscribeOptions): Promise<number> {
    const how = JSON.stringify(o);
    const before = this.subscriptions.get(filter);
    if (before?.how === how) return (await before.made).granted ?? o.qos;
    const one = { how, made: this.make(filter, o, before?.made) };
    this.subscriptions.set(filter, one);
    try {
      return (await one.made).granted ?? o.qos;
    } catch (error) {
      if (this.subscriptions.get(filter) === one) this.subscriptions.delete(filter);
      throw new Error(sentenceOf(error, this.o.dialect));
    }
  }

  private async make(
    filter: string,
    o: SubscribeOptions,
    before: Promise<Subscription> | undefined,
  ): Promise<Subscription> {
    const client = await this.ready;
    const old = await before?.catch(() => undefined); // refused, it is none
    await old?.close();
    const s = await client.subscribe(filter, howOf(o, client.ability));
    void this.follow(s);
    return s;
  }

  private async follow(s: Subscription): Promise<void> {
    try {
      for await (const m of s) this.arrived(m, s.filter);
    } catch (error) {
      this.subscriptions.delete(s.filter);
      if (this.up && !this.ending.signal.aborted)
        this.events.refused(s.filter, sentenceOf(error, this.o.dialect));
    }
  }

  async unsubscribe(filter: string): Promise<void> {
    const one = this.subscriptions.get(filter);
    this.subscriptions.delete(filter);
    const s = await one?.made.catch(() => undefined); // refused, it is none
    await s?.close();
  }

  /** Resolves once the hub has it, as surely as its QoS says. `sent` gets the packet when it leaves. */
  async publish(m: Outgoing, sent: (raw: Raw) => void): Promise<void> {
    const client = await this.ready;
    // Octets of its own, by which its packet is known.
    const payload = m.payload.slice();
    this.leaving.set(payload, sent);
    try {
      await client.publish(m.topic, payload, publishOptions(m, client.ability));
    } catch (error) {
      throw new Error(sentenceOf(error, this.o.dialect));
    }
  }

  /** Tries at once instead of waiting; false: it never was connected. */
  hurry(): boolean {
    this.client?.hurry();
    return this.client !== undefined;
  }

  close(): void {
    this.ending.abort();
  }
}

function rawOf(packet: Uint8Array, dialect: Dialect): Raw {
  if (dialect !== 'waymeet' && dialect !== 'http') return packet;
  return new TextDecoder().decode(packet).trimEnd();
}

function howOf(o: SubscribeOptions, can: Ability): SubscribeHow {
  return {
    qos: o.qos,
    ...(o.noLocal && { noLocal: true }),
    ...(o.retainHandling > 0 && { retained: RETAINED[o.retainHandling] }),
    ...(can.retainAsPublished === true && { retainAsPublished: o.retainAsPublished }),
    ...(o.identifier > 0 && { identifier: o.identifier }),
  };
}

/** Without what the protocol has no place for: the form says so. */
function publishOptions(m: Outgoing, can: Ability): PublishOptions {
  const said = { ...propertiesOf(m), ...(m.text && { text: true }) };
  const carried = Object.entries(said).filter(([name]) =>
    name === 'expiryMs' ? can.expiry : (can.meta as readonly string[]).includes(name),
  );
  return { qos: m.qos, retain: m.retain, ...Object.fromEntries(carried) };
}

function arrivedOf(m: IncomingMessage, raw: Raw): Arrived {
  const { topic, payload, qos, retained, meta } = m;
  return {
    topic,
    payload,
    qos,
    retain: retained,
    properties: pairsOf(meta, m.expiresAt, Date.now()),
    contentType: meta.contentType,
    raw,
  };
}
