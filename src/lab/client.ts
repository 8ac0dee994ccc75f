// One client of a run: it connects, subscribes, publishes what is due, comes back after a loss, and sleeps when it is told to.

//   away ──start──▶ dialling ──opened──▶ subscribing ──all granted──▶ ready ──lost──▶ away (and again after a back-off)
//                      └────────────── failed ─────────▶ away             └─ sleep ─▶ away (until there is something to say)

import { Message, NEVER, type Qos } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import type { Delivery, Refusal, Speaker, SpeakerOptions, Speech } from '../contract/speaker.ts';
import type { Peer, Wire } from '../contract/wire.ts';
import type { LabClock } from './network/clock.ts';
import type { Link } from './network/link.ts';
import type { TcpEnd } from './network/tcp.ts';
import { DeviceMemory, type Dialled, type Site } from './site.ts';

export interface ClientSettings {
  readonly speech: Speech;
  readonly name: string;
  readonly filters: readonly string[];
  readonly qos: Qos;
  readonly settings: Readonly<Record<string, string>>;
  readonly keepAliveMs: number;
  /** A goodbye after so many answers; 0: never. */
  readonly sleepEvery: number;
}

/** What a client tells of what it does. */
export interface ClientEvents {
  /** Once: it has logged in and subscribed. */
  ready(): void;
  delivered(d: Delivery): void;
  /** Message `index` is out of its hands: taken as its level asks, or, with a reason, not. */
  answered(index: number, why: Refusal | undefined): void;
  /** It was handed to the protocol, for the first time or not. */
  written(index: number): void;
  failed(why: string): void;
}

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;
/** So often in a row nothing comes of dialling before the client gives up. */
const MAX_FAILURES = 20;
const MAX_TAGS = 32_767;
const RECEIVE_MAXIMUM = 1_024;
/** Outcomes of a connection that ended, not of a message. */
const LOST: ReadonlySet<Outcome> = new Set<Outcome>([
  'unavailable',
  'idle',
  'taken-over',
  'slow-consumer',
  'shutting-down',
]);
const SESSION_MS = 86_400_000;

export class LabClient {
  /** How often it was connected. */
  connections = 0;
  /** Of connections that are over. */
  tcpRetransmissions = 0;
  tcpTimeouts = 0;
  private readonly clock: LabClock;
  private readonly site: Site;
  private readonly link: Link;
  private readonly settings: ClientSettings;
  private readonly events: ClientEvents;
  private readonly random: () => number;
  private readonly others: TcpEnd[] = [];
  private readonly memory = new DeviceMemory();
  private readonly messageOf: (index: number) => Message;
  private speaker: Speaker | undefined;
  private dialled: Dialled | undefined;
  private state: 'away' | 'dialling' | 'ready' | 'closing' = 'away';
  private wasReady = false;
  private stopped = false;
  private failures = 0;
  private granted = 0;
  private answeredSince = 0;
  /** Indices that wait to be published, and those that wait for their answer with what is known of them. */
  private readonly outbox: number[] = [];
  private readonly flying = new Map<number, 'sent' | 'released'>();
  private readonly stages = new Map<number, 'again' | 'released'>();
  private readonly inbound = new Set<number>();

  constructor(
    site: Site,
    link: Link,
    settings: ClientSettings,
    messageOf: (index: number) => Message,
    random: () => number,
    events: ClientEvents,
  ) {
    this.site = site;
    this.clock = site.clock;
    this.link = link;
    this.settings = settings;
    this.messageOf = messageOf;
    this.random = random;
    this.events = events;
  }

  start(): void {
    if (this.stopped || this.state !== 'away') return;
    this.state = 'dialling';
    this.granted = 0;
    this.connections++;
    this.dialled = this.site.dial(
      this.link,
      this.settings.name,
      this.memory,
      (wire) => this.open(wire),
      () => this.over('no connection'),
    );
  }

  publish(index: number): void {
    this.outbox.push(index);
    if (this.state === 'away' && this.wasReady && this.failures === 0) this.start();
    this.site.clientMeter.enter();
    this.pump();
    this.site.clientMeter.leave();
  }

  /** Whether another message can go without waiting here. */
  get room(): boolean {
    return this.state === 'ready' && this.outbox.length === 0 && (this.speaker?.room ?? 0) > 0;
  }

  /** Nothing waits: neither to be sent nor to be answered. */
  get idle(): boolean {
    return this.outbox.length === 0 && this.flying.size === 0;
  }

  stop(): void {
    this.stopped = true;
    this.speaker?.close();
  }

  /** The transport's counters so far. */
  get tcp(): { retransmissions: number; timeouts: number } {
    const { sender } = this.dialled?.tcp ?? {};
    let retransmissions = this.tcpRetransmissions + (sender?.retransmissions ?? 0);
    let timeouts = this.tcpTimeouts + (sender?.timeouts ?? 0);
    for (const one of this.others) {
      retransmissions += one.sender.retransmissions;
      timeouts += one.sender.timeouts;
    }
    return { retransmissions, timeouts };
  }

  private open(wire: Wire): Peer {
    const speaker = this.settings.speech.open(wire, this.options(), {
      opened: (how) => this.opened(how.resumed),
      delivered: (d) => {
        this.events.delivered(d);
        if (d.id !== 0) this.speaker!.settle(d.id, 'ok');
      },
      ended: (why) => this.over(why?.reason ?? 'closed'),
    });
    this.speaker = speaker;
    return watched(speaker, () => this.pump());
  }

  private options(): SpeakerOptions {
    const { name, settings, qos, keepAliveMs } = this.settings;
    return {
      host: 'hub.example',
      port: 0,
      path: '/',
      settings,
      clientId: name,
      username: undefined,
      password: undefined,
      clean: qos === 0,
      sessionExpiryMs: qos === 0 ? 0 : SESSION_MS,
      keepAliveMs,
      will: undefined,
      receiveMaximum: RECEIVE_MAXIMUM,
      memory: {
        released: (tag) => {
          for (const index of this.flying.keys())
            if (tagOf(index) === tag) this.flying.set(index, 'released');
        },
        inbound: this.inbound,
        kept: (then) => then(),
      },
      // Who listens needs one connection; who speaks may need one for each thing that it says.
      ...(this.settings.filters.length > 0 ? {} : { another: this.another }),
      random: (length) => Uint8Array.from({ length }, () => Math.floor(this.random() * 256)),
      now: () => this.clock.now,
    };
  }

  private readonly another: NonNullable<SpeakerOptions['another']> = (open, failed) => {
    this.connections++;
    const { name } = this.settings;
    const gone = (): void => failed({ outcome: 'unavailable', reason: 'no connection', code: 0 });
    const dialled = this.site.dial(this.link, name, this.memory, open, gone);
    if (dialled.tcp !== undefined) this.others.push(dialled.tcp);
  };

  private opened(resumed: boolean): void {
    // The speaker may tell from within `open`, before we have it.
    this.clock.at(this.clock.now, () => {
      if (this.state !== 'dialling' || this.speaker === undefined) return;
      if (!resumed) {
        this.stages.clear();
        this.inbound.clear();
      }
      const { filters, qos } = this.settings;
      if (resumed || filters.length === 0) {
        this.readied();
        return;
      }
      for (const filter of filters) {
        this.speaker.subscribe(filter, qos, (granted) => {
          if (typeof granted === 'object') this.events.failed(`subscribing to ${filter}: ${granted.reason}`);
          else if (++this.granted === filters.length) this.readied();
        });
      }
    });
  }

  private readied(): void {
    if (this.state !== 'dialling') return;
    this.state = 'ready';
    this.failures = 0;
    if (!this.wasReady) {
      this.wasReady = true;
      this.events.ready();
    }
    this.pump();
  }

  private pump(): void {
    const { speaker } = this;
    while (this.state === 'ready' && this.outbox.length > 0 && speaker !== undefined && speaker.room > 0) {
      const index = this.outbox.shift()!;
      this.flying.set(index, 'sent');
      this.events.written(index);
      const stage = this.stages.get(index) ?? 'new';
      speaker.publish(this.messageOf(index), (why) => this.answered(index, why, speaker), {
        tag: tagOf(index),
        stage,
      });
    }
  }

  private answered(index: number, why: Refusal | undefined, speaker: Speaker): void {
    const stage = this.flying.get(index);
    if (stage === undefined) return;
    this.flying.delete(index);
    if (why !== undefined && LOST.has(why.outcome) && this.settings.qos > 0 && !this.stopped) {
      // The connection broke before the answer: what was promised is said again over the next one.
      this.stages.set(index, stage === 'released' ? 'released' : 'again');
      this.outbox.push(index);
      this.outbox.sort((a, b) => a - b);
      return;
    }
    this.stages.delete(index);
    this.events.answered(index, why);
    const { sleepEvery } = this.settings;
    if (sleepEvery > 0 && ++this.answeredSince >= sleepEvery && this.idle && speaker === this.speaker) {
      this.answeredSince = 0;
      // What was written in this event leaves before the goodbye.
      this.clock.at(this.clock.now, () => {
        if (this.state !== 'ready' || !this.idle) return;
        this.state = 'closing';
        speaker.close();
      });
    } else {
      this.pump();
    }
  }

  private over(why: string): void {
    if (this.state === 'away') return;
    const asked = this.state === 'closing';
    this.state = 'away';
    this.speaker = undefined;
    const { sender } = this.dialled?.tcp ?? {};
    this.tcpRetransmissions += sender?.retransmissions ?? 0;
    this.tcpTimeouts += sender?.timeouts ?? 0;
    this.dialled?.wire.end();
    this.dialled = undefined;
    if (this.stopped) return;
    if (asked) {
      if (this.outbox.length > 0) this.clock.at(this.clock.now, () => this.start());
      return;
    }
    if (++this.failures > MAX_FAILURES) {
      this.events.failed(why);
      return;
    }
    const backoff = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.failures - 1));
    this.clock.at(this.clock.now + backoff * (0.5 + this.random() / 2), () => this.start());
  }
}

function tagOf(index: number): number {
  return (index % MAX_TAGS) + 1;
}

/** `speaker`, and a call whenever there may be room again. */
function watched(speaker: Speaker, room: () => void): Peer {
  return {
    receive: (bytes, start, end, now) => {
      const consumed = speaker.receive(bytes, start, end, now);
      room();
      return consumed;
    },
    drained: (now) => {
      speaker.drained(now);
      room();
    },
    wake: (now) => {
      speaker.wake(now);
      room();
    },
    broken: (why, now) => speaker.broken(why, now),
    lost: (now) => speaker.lost(now),
  };
}

/** A message as a client publishes it. */
export function outgoing(
  topic: string,
  payload: Uint8Array,
  qos: Qos,
  retain: boolean,
  now: number,
): Message {
  return new Message(topic, payload, qos, retain, NOBODY, now, NEVER, undefined);
}

const NOBODY = { protocol: 'lab', client: '', principal: '' };
