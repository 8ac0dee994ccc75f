// The connections of the test client: each with its subscriptions, found again when the hub comes back or the page is loaded anew.

import { batch, signal } from '@preact/signals';
import type { Opened } from '../../../src/contract/speaker.ts';
import { hub } from '../api.ts';
import { HubLink } from '../links/hub-link.ts';
import {
  type Arrived,
  type LinkEvents,
  type LinkOptions,
  type Outgoing,
  PLAIN_OPTIONS,
  PLAIN_SUBSCRIPTION,
  type Raw,
  type SubscribeOptions,
} from '../links/link.ts';
import { urlOf } from '../links/login.ts';
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
  /** What the hub said when it last let us in. */
  readonly opened = signal<Opened | undefined>(undefined);
  readonly subscriptions = signal<readonly Subscribed[]>([]);
  readonly count = signal(0);
  /** The last packets both ways, oldest first. */
  readonly packets = signal<readonly Packet[]>([]);
  private packetNumber = 1;
  private gathered: Packet[] = [];
  private link: HubLink | undefined;

  constructor(name: string, o: LinkOptions) {
    this.name = name;
    this.o = o;
    this.open();
  }

  open(): void {
    if (this.phase.value === 'waiting' && this.link?.hurry()) return;
    this.link?.close();
    this.phase.value = 'connecting';
    this.link = new HubLink(urlOf(this.o.dialect, hub.value?.paths ?? {}), this.o, this);
  }

  close(): void {
    this.link?.close();
    this.link = undefined;
    batch(() => {
      this.phase.value = 'off';
      this.why.value = '';
    });
  }

  // --- what the link tells ---

  up(opened: Opened): void {
    batch(() => {
      this.phase.value = 'up';
      this.why.value = opened.resumed ? 'the session was resumed' : '';
      this.opened.value = opened;
    });
    for (const s of this.subscriptions.value) void this.ask(s.filter, s.o);
  }

  away(why: string): void {
    batch(() => {
      this.phase.value = 'waiting';
      this.why.value = why;
    });
  }

  down(why: string): void {
    this.link = undefined;
    batch(() => {
      this.phase.value = 'off';
      this.why.value = why;
    });
  }

  message(m: Arrived, filter: string | undefined, again: boolean): void {
    const by = this.subscriptions.value.find((s) => s.filter === filter);
    if (by !== undefined) this.note(by.filter, { count: by.count + 1 });
    if (again) return;
    this.count.value++;
    const { name: connection, o } = this;
    addLine({ ...m, at: Date.now(), direction: 'in', connection, dialect: o.dialect, colour: by?.colour });
  }

  refused(filter: string, why: string): void {
    this.note(filter, { granted: undefined, fault: why });
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
    const { link } = this;
    if (link === undefined || this.phase.value !== 'up') return; // asked again once it is up
    try {
      this.note(filter, { o, granted: await link.subscribe(filter, o), fault: undefined });
    } catch (error) {
      // Who disconnects meanwhile was not refused.
      if (link === this.link) this.note(filter, { granted: undefined, fault: (error as Error).message });
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
    const { topic, payload, qos, retain, contentType } = m;
    await this.link.publish(m, (raw) =>
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
      }),
    );
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
