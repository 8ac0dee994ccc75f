// What the test client knows: its connections, their subscriptions, and the messages, which stay when a connection ends.

import { batch, signal } from '@preact/signals';
import { hub } from './api.ts';
import { HttpLink } from './links/http.ts';
import type { Arrived, Link, LinkEvents, LinkOptions, Outgoing, Qos } from './links/link.ts';
import { MqttLink } from './links/mqtt.ts';
import { WaymeetLink } from './links/waymeet.ts';
import { matchTopic } from './wildcard.ts';

export interface Subscribed {
  readonly filter: string;
  readonly qos: Qos;
  readonly granted: number | undefined;
  readonly colour: number;
  /** Why the hub refused it. */
  readonly fault: string | undefined;
}

export type Phase = 'connecting' | 'up' | 'waiting' | 'off';

/** One line of the message list. */
export interface Line {
  readonly number: number;
  readonly at: number;
  readonly direction: 'in' | 'out';
  readonly connection: string;
  readonly dialect: LinkOptions['dialect'];
  readonly colour: number | undefined;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
  readonly contentType: string | undefined;
  readonly properties: readonly (readonly [string, string])[];
  readonly raw: Uint8Array | string | undefined;
}

export const COLOURS = 8;
const MAX_LINES = 10_000;
const MAX_WAIT_MS = 10_000;
const SAVED_KEY = 'waymeet-connections';

export const connections = signal<readonly Connection[]>([]);
export const lines = signal<readonly Line[]>([]);
/** Lines that were dropped because there were too many. */
export const dropped = signal(0);
export const paused = signal(false);

let held: Line[] = [];
let nextLine = 1;
let nextColour = 0;
let scheduled = false;
let incoming: Line[] = [];

/** Lines reach the page once a frame: 5,000 messages a second are one change of the list in each. */
function addLine(line: Omit<Line, 'number'>): void {
  incoming.push({ ...line, number: nextLine++ });
  if (incoming.length > MAX_LINES) incoming.shift();
  if (scheduled) return;
  scheduled = true;
  setTimeout(() => {
    scheduled = false;
    const arrived = incoming;
    incoming = [];
    if (paused.value) held = [...held, ...arrived].slice(-MAX_LINES);
    else showLines(arrived);
  }, 50);
}

function showLines(arrived: readonly Line[]): void {
  const all = [...lines.value, ...arrived];
  batch(() => {
    if (all.length > MAX_LINES) dropped.value += all.length - MAX_LINES;
    lines.value = all.slice(-MAX_LINES);
  });
}

export function setPaused(on: boolean): void {
  paused.value = on;
  if (on) return;
  showLines(held);
  held = [];
}

export function clearLines(): void {
  held = [];
  lines.value = [];
  dropped.value = 0;
}

export class Connection implements LinkEvents {
  readonly name: string;
  readonly o: LinkOptions;
  readonly phase = signal<Phase>('connecting');
  /** Why it is not up. */
  readonly why = signal('');
  readonly clientId = signal('');
  readonly subscriptions = signal<readonly Subscribed[]>([]);
  readonly count = signal(0);
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
    const paths = hub.value?.paths ?? { mqtt: '/mqtt', json: '/waymeet' };
    if (this.o.dialect === 'http') this.link = new HttpLink(this.o, this);
    else if (this.o.dialect === 'waymeet') this.link = new WaymeetLink(this.o, paths.json, this);
    else this.link = new MqttLink(this.o, paths.mqtt, this);
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
    for (const s of this.subscriptions.value) void this.ask(s.filter, s.qos);
  }

  down(why: string, again: boolean): void {
    this.link = undefined;
    batch(() => {
      this.phase.value = again ? 'waiting' : 'off';
      this.why.value = why;
    });
    if (!again) return;
    // Soon at first, then more slowly: the hub may be restarting.
    const waitMs = Math.min(MAX_WAIT_MS, 500 * 2 ** this.attempts++);
    this.timer = window.setTimeout(() => this.open(), waitMs);
  }

  message(m: Arrived): void {
    this.count.value++;
    const colour = this.subscriptions.value.find((s) => matchTopic(s.filter, m.topic).matches)?.colour;
    addLine({
      ...m,
      at: Date.now(),
      direction: 'in',
      connection: this.name,
      dialect: this.o.dialect,
      colour,
    });
  }

  // --- what the person asks ---

  async subscribe(filter: string, qos: Qos): Promise<void> {
    if (!this.subscriptions.value.some((s) => s.filter === filter)) {
      const colour = nextColour++ % COLOURS;
      const fresh: Subscribed = { filter, qos, granted: undefined, colour, fault: undefined };
      this.subscriptions.value = [...this.subscriptions.value, fresh];
      save();
    }
    await this.ask(filter, qos);
  }

  private async ask(filter: string, qos: Qos): Promise<void> {
    if (this.link === undefined || this.phase.value !== 'up') return; // asked again once it is up
    try {
      this.note(filter, { qos, granted: await this.link.subscribe(filter, qos), fault: undefined });
    } catch (error) {
      this.note(filter, { granted: undefined, fault: (error as Error).message });
    }
  }

  private note(filter: string, change: Partial<Subscribed>): void {
    this.subscriptions.value = this.subscriptions.value.map((s) =>
      s.filter === filter ? { ...s, ...change } : s,
    );
  }

  async unsubscribe(filter: string): Promise<void> {
    this.subscriptions.value = this.subscriptions.value.filter((s) => s.filter !== filter);
    save();
    await this.link?.unsubscribe(filter);
  }

  async publish(m: Outgoing): Promise<void> {
    if (this.link === undefined) throw new Error('this connection is not up');
    await this.link.publish(m);
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
      raw: undefined,
    });
  }
}

export function addConnection(o: LinkOptions): Connection {
  const names = new Set(connections.value.map((c) => c.name));
  let number = connections.value.length + 1;
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

// --- over a reload of the page ---

interface Saved {
  readonly o: LinkOptions;
  readonly subscriptions: readonly { readonly filter: string; readonly qos: Qos }[];
}

/** Passwords are not saved. */
function save(): void {
  const saved = connections.value.map(
    ({ o, subscriptions }): Saved => ({
      o: { ...o, password: '' },
      subscriptions: subscriptions.value.map(({ filter, qos }) => ({ filter, qos })),
    }),
  );
  localStorage.setItem(SAVED_KEY, JSON.stringify(saved));
}

export function restore(): void {
  const text = localStorage.getItem(SAVED_KEY);
  if (text === null) return;
  const saved = JSON.parse(text) as Saved[];
  for (const { o, subscriptions } of saved) {
    const connection = addConnection(o);
    for (const { filter, qos } of subscriptions) void connection.subscribe(filter, qos);
  }
}
