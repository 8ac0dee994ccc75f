// The connections of the test client: each with its subscriptions, found again when the hub comes back or the page is loaded anew.

import { batch, signal } from '@preact/signals';
import { hub } from '../api.ts';
import { CoapLink } from '../links/coap.ts';
import { HttpLink } from '../links/http.ts';
import {
  type Arrived,
  type Link,
  type LinkEvents,
  type LinkOptions,
  type Outgoing,
  PLAIN_OPTIONS,
  PLAIN_SUBSCRIPTION,
  type Raw,
  type SubscribeOptions,
} from '../links/link.ts';
import { MqttLink } from '../links/mqtt.ts';
import { WaymeetLink } from '../links/waymeet.ts';
import { matchTopic } from '../wildcard.ts';
import { addLine } from './lines.ts';

export interface Subscribed {
  readonly filter: string;
  readonly o: SubscribeOptions;
  readonly granted: number | undefined;
  readonly colour: number;
  readonly count: number;
  /** Why the hub refused it. */
  readonly fault: string | undefined;
}

/** One packet of a connection. */
export interface Packet {
  readonly number: number;
  readonly at: number;
  readonly direction: 'in' | 'out';
  readonly raw: Raw;
}

export type Phase = 'connecting' | 'up' | 'waiting' | 'off';

export const COLOURS = 8;
const MAX_WAIT_MS = 10_000;
const FIRST_WAIT_MS = 500;
const MAX_PACKETS = 500;
const SAVED_KEY = 'waymeet-connections';

export const connections = signal<readonly Connection[]>([]);

let nextColour = 0;

export class Connection implements LinkEvents {
  readonly name: string;
  readonly o: LinkOptions;
  readonly phase = signal<Phase>('connecting');
  /** Why it is not up. */
  readonly why = signal('');
  readonly clientId = signal('');
  readonly subscriptions = signal<readonly Subscribed[]>([]);
  readonly count = signal(0);
  /** The last packets both ways, oldest first. */
  readonly packets = signal<readonly Packet[]>([]);
  private packetNumber = 1;
  private gathered: Packet[] = [];
  private link: Link | undefined;
  private attempts = 0;
  private timer = 0;

  constructor(name: string, o: LinkOptions) {
    this.name = name;
    this.o = o;
    this.open();
  }

  open(): void {
    clearTimeout(this.timer);
    this.phase.value = 'connecting';
    this.link = this.dial();
  }

  private dial(): Link {
    const { mqtt = '/mqtt', json = '/waymeet', coap = '/.well-known/coap' } = hub.value?.paths ?? {};
    switch (this.o.dialect) {
      case 'http':
        return new HttpLink(this.o, this);
      case 'waymeet':
        return new WaymeetLink(this.o, json, this);
      case 'coap':
        return new CoapLink(this.o, coap, this);
      default:
        return new MqttLink(this.o, mqtt, this);
    }
  }

  close(): void {
    clearTimeout(this.timer);
    this.link?.close();
    this.link = undefined;
    batch(() => {
      this.phase.value = 'off';
      this.why.value = '';
    });
  }

  // --- what the link tells ---

  up(clientId: string, resumed: boolean): void {
    this.attempts = 0;
    batch(() => {
      this.phase.value = 'up';
      this.why.value = resumed ? 'the session was resumed' : '';
      this.clientId.value = clientId;
    });
    for (const s of this.subscriptions.value) void this.ask(s.filter, s.o);
  }

  down(why: string, again: boolean): void {
    this.link = undefined;
    batch(() => {
      this.phase.value = again ? 'waiting' : 'off';
      this.why.value = why;
    });
    if (!again) return;
    // Soon at first, then more slowly: the hub may be restarting.
    const waitMs = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempts++);
    this.timer = window.setTimeout(() => this.open(), waitMs);
  }

  message(m: Arrived): void {
    this.count.value++;
    const by = this.subscriptions.value.find((s) => matchTopic(s.filter, m.topic).matches);
    if (by !== undefined) this.note(by.filter, { count: by.count + 1 });
    const { name: connection, o } = this;
    addLine({ ...m, at: Date.now(), direction: 'in', connection, dialect: o.dialect, colour: by?.colour });
  }

  packet(direction: 'in' | 'out', raw: Raw): void {
    this.gathered.push({ number: this.packetNumber++, at: Date.now(), direction, raw });
    if (this.gathered.length > 1) return;
    setTimeout(() => {
      this.packets.value = [...this.packets.value, ...this.gathered].slice(-MAX_PACKETS);
      this.gathered = [];
    }, 50);
  }

  // --- what the person asks ---

  async subscribe(filter: string, o: SubscribeOptions, colour?: number): Promise<void> {
    if (!this.subscriptions.value.some((s) => s.filter === filter)) {
      const fresh: Subscribed = {
        filter,
        o,
        granted: undefined,
        colour: colour ?? nextColour++ % COLOURS,
        count: 0,
        fault: undefined,
      };
      this.subscriptions.value = [...this.subscriptions.value, fresh];
      save();
    }
    await this.ask(filter, o);
  }

  private async ask(filter: string, o: SubscribeOptions): Promise<void> {
    if (this.link === undefined || this.phase.value !== 'up') return; // asked again once it is up
    try {
      this.note(filter, { o, granted: await this.link.subscribe(filter, o), fault: undefined });
    } catch (error) {
      this.note(filter, { granted: undefined, fault: (error as Error).message });
    }
  }

  private note(filter: string, change: Partial<Subscribed>): void {
    this.subscriptions.value = this.subscriptions.value.map((s) =>
      s.filter === filter ? { ...s, ...change } : s,
    );
  }

  paint(filter: string, colour: number): void {
    this.note(filter, { colour });
    save();
  }

  async unsubscribe(filter: string): Promise<void> {
    this.subscriptions.value = this.subscriptions.value.filter((s) => s.filter !== filter);
    save();
    await this.link?.unsubscribe(filter);
  }

  async publish(m: Outgoing): Promise<void> {
    if (this.link === undefined || this.phase.value !== 'up') throw new Error('this connection is not up');
    const { raw, taken } = this.link.publish(m);
    const { topic, payload, qos, retain, contentType } = m;
    addLine({
      at: Date.now(),
      direction: 'out',
      connection: this.name,
      dialect: this.o.dialect,
      colour: undefined,
      topic,
      payload,
      qos,
      retain,
      contentType: contentType === '' ? undefined : contentType,
      properties: m.user.map(([name, value]) => [`user: ${name}`, value] as const),
      raw,
    });
    await taken;
  }
}

export function addConnection(o: LinkOptions): Connection {
  const names = new Set(connections.value.map((c) => c.name));
  let number = 1;
  while (names.has(`#${number}`)) number++;
  const connection = new Connection(`#${number}`, o);
  connections.value = [...connections.value, connection];
  save();
  return connection;
}

export function removeConnection(connection: Connection): void {
  connection.close();
  connections.value = connections.value.filter((c) => c !== connection);
  save();
}

/** A client id that nobody else has. */
export function freshClientId(): string {
  const [a, b] = crypto.getRandomValues(new Uint16Array(2));
  return `browser-${(a! * 65_536 + b!).toString(36)}`;
}

// --- over a reload of the page ---

interface Saved {
  readonly o: LinkOptions;
  readonly subscriptions: readonly Pick<Subscribed, 'filter' | 'o' | 'colour'>[];
}

/** Passwords are not saved. */
function save(): void {
  const saved = connections.value.map(
    ({ o, subscriptions }): Saved => ({
      o: { ...o, password: '' },
      subscriptions: subscriptions.value.map(({ filter, o: how, colour }) => ({ filter, o: how, colour })),
    }),
  );
  localStorage.setItem(SAVED_KEY, JSON.stringify(saved));
}

export function restore(): void {
  const saved = JSON.parse(localStorage.getItem(SAVED_KEY) ?? '[]') as Saved[];
  for (const { o, subscriptions } of saved) {
    const connection = addConnection({ ...PLAIN_OPTIONS, ...o });
    for (const s of subscriptions)
      void connection.subscribe(s.filter, { ...PLAIN_SUBSCRIPTION, ...s.o }, s.colour);
  }
}
