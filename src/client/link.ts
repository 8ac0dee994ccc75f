// One connection: a dialled wire and its speaker, from the login to the end.

import { type Message, NEVER, type Qos } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import type {
  Ability,
  Answer,
  Delivery,
  Opened,
  Refusal,
  SessionMemory,
  Speaker,
  SpeakerOptions,
  Speech,
  SubscribeHow,
  Tag,
} from '../contract/speaker.ts';
import type { Peer } from '../contract/wire.ts';
import type { DialledWire } from './carrier.ts';
import { shown } from './endpoint.ts';
import { aborted, errorOf, onAbort, WaymeetError } from './error.ts';
import { makeMessage } from './message.ts';
import type { Settled, World } from './options.ts';

/** What a link tells its client. */
export interface LinkEvents {
  /** It is let in: at once, before anything arrives. */
  opened(link: Link): void;
  delivered(d: Delivery, by: Link): void;
  /** `room` may have grown. */
  roomy(by: Link): void;
  /** It is over, after it was open. */
  ended(why: Refusal | undefined, by: Link): void;
}

/** What a login is made with besides the options. */
export interface LinkLogin {
  readonly clientId: string;
  readonly clean: boolean;
  readonly memory: SessionMemory;
}

const UNTOLD: Refusal = { outcome: 'unavailable', reason: 'the connection was lost', code: 0 };
const NOTHING = new Uint8Array(0);

/** A refusal at login, with the words of the other side. */
export class LoginRefused extends Error {
  readonly why: Refusal;
  readonly protocol: string;
  constructor(why: Refusal, protocol: string) {
    super(why.reason);
    this.why = why;
    this.protocol = protocol;
  }
}

export class Link {
  readonly speech: Speech;
  readonly url: URL;
  private speaker!: Speaker;
  opened!: Opened;
  open = false;
  private readonly wire: DialledWire;
  private readonly events: LinkEvents;
  /** All that are open, for protocols that have several. */
  private wires: DialledWire[] = [];
  private paused = false;

  private constructor(speech: Speech, url: URL, wire: DialledWire, events: LinkEvents) {
    this.speech = speech;
    this.url = url;
    this.wire = wire;
    this.events = events;
  }

  /** Dials and logs in. Rejects with LoginRefused, WaymeetError, or what the system says. */
  static async open(
    url: URL,
    world: World,
    o: Settled,
    login: LinkLogin,
    events: LinkEvents,
    signal: AbortSignal,
  ): Promise<Link> {
    const speech = await speechFor(url, world, o);
    const options = await speakerOptions(url, world, o, login);
    const wire = await world.dial(url, speech, o, signal);
    const link = new Link(speech, url, wire, events);
    try {
      const another = world.another?.(link, o);
      await link.login(another === undefined ? options : { ...options, another }, signal);
    } catch (why) {
      wire.destroy();
      throw wire.failure ?? why;
    }
    return link;
  }

  get ability(): Ability {
    return this.opened.ability;
  }

  private login(options: SpeakerOptions, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const gaveUp = () => reject(aborted(signal, this.speech.name));
      if (signal.aborted) {
        gaveUp();
        return;
      }
      const decided = onAbort(signal, gaveUp);
      this.speaker = this.speech.open(this.wire, options, {
        opened: (how) => {
          decided();
          this.opened = how;
          this.open = true;
          this.events.opened(this);
          resolve();
        },
        delivered: (d) => this.events.delivered(d, this),
        ended: (why) => {
          decided();
          if (this.open) {
            this.open = false;
            this.events.ended(why, this);
          } else reject(new LoginRefused(why ?? UNTOLD, this.speech.name));
        },
      });
      this.join(this.wire, this.speaker);
    });
  }

  /** One more wire for its protocol was dialled. */
  join(wire: DialledWire, peer: Peer): void {
    wire.peer = this.peer(peer, wire);
    this.wires.push(wire);
    if (this.paused) wire.pause();
  }

  /** A speaker, or the part of one that has this wire, with what the client must know besides. */
  private peer(speaker: Peer, wire: DialledWire): Peer {
    return {
      receive: (bytes, start, end, now) => {
        const at = speaker.receive(bytes, start, end, now);
        if (this.open) this.events.roomy(this);
        return at;
      },
      drained: (now) => {
        speaker.drained(now);
        if (this.open) this.events.roomy(this);
      },
      wake: (now) => {
        // While nothing is read, silence says nothing about the other side.
        if (this.paused) speaker.receive(NOTHING, 0, 0, now);
        speaker.wake(now);
      },
      broken: (why, now) => speaker.broken(why, now),
      lost: (now) => {
        this.wires = this.wires.filter((other) => other !== wire);
        speaker.lost(now);
      },
    };
  }

  get room(): number {
    return this.speaker.room;
  }

  /** `answer` gets a refusal once it is known whether the connection ended with it: then `open` is false. */
  publish(m: Message, answer: Answer, tag?: Tag): void {
    this.speaker.publish(
      m,
      (why, unmatched) => {
        if (why === undefined) answer(why, unmatched);
        else queueMicrotask(() => answer(why));
      },
      tag,
    );
  }

  /** As `publish`. */
  subscribe(filter: string, qos: Qos, how: SubscribeHow, answer: (granted: Qos | Refusal) => void): void {
    const told = (granted: Qos | Refusal) => queueMicrotask(() => answer(granted));
    this.speaker.subscribe(
      filter,
      qos,
      (granted) => (typeof granted === 'number' ? answer(granted) : told(granted)),
      how,
    );
  }

  /** As `publish`. */
  unsubscribe(filter: string, answer: Answer): void {
    this.speaker.unsubscribe(filter, (why) => queueMicrotask(() => answer(why)));
  }

  settle(id: number, outcome: Outcome): void {
    if (this.open) this.speaker.settle(id, outcome);
  }

  /** Whether the other side waits while nothing is read. */
  get waits(): boolean {
    return this.speech.carrier !== 'datagram';
  }

  pause(paused: boolean): void {
    if (this.paused === paused || !this.waits) return;
    this.paused = paused;
    for (const wire of this.wires) {
      if (paused) wire.pause();
      else wire.resume();
    }
  }

  close(): void {
    this.speaker.close();
  }

  destroy(): void {
    this.wire.destroy();
  }
}

async function speechFor(url: URL, world: World, o: Settled): Promise<Speech> {
  const speech = await world.speech(url);
  const { wills, login } = speech.ability;
  for (const name of ['will', 'user', 'maxPacketBytes', 'topicAliases'] as const)
    if (o[name] !== undefined && !(name === 'will' ? wills : login?.includes(name)))
      throw new WaymeetError('not-supported', speech.name, `${speech.name} has no ${name} at the login`);
  if (o.tap === undefined) return speech;
  const { tapped } = await import('./tap.ts');
  return tapped(speech, o.tap);
}

async function speakerOptions(url: URL, world: World, o: Settled, login: LinkLogin): Promise<SpeakerOptions> {
  const username = o.username ?? (decodeURIComponent(url.username) || undefined);
  const password = octets(o.password ?? (decodeURIComponent(url.password) || undefined));
  const { will } = o;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: await world.port(url),
    path: url.pathname || '/',
    settings: { ...o.settings, ...Object.fromEntries(url.searchParams) },
    clientId: login.clientId,
    username,
    password,
    ...(o.sasl !== undefined && {
      sasl: typeof o.sasl === 'string' ? await world.sasl(o.sasl, username, password) : o.sasl,
    }),
    clean: login.clean,
    sessionExpiryMs: o.sessionExpiryMs,
    keepAliveMs: o.keepAliveMs,
    will:
      will === undefined
        ? undefined
        : {
            message: makeMessage(will.topic, will.payload, will, world.now()),
            delayMs: will.delayMs ?? 0,
          },
    receiveMaximum: o.receiveMaximum,
    user: o.user,
    maxPacketBytes: o.maxPacketBytes,
    topicAliases: o.topicAliases,
    memory: login.memory,
    random: (length) => world.random(length),
    now: () => world.now(),
  };
}

function octets(password: string | Uint8Array | undefined): Uint8Array | undefined {
  return typeof password === 'string' ? new TextEncoder().encode(password) : password;
}

/** Whether a message is too old to be sent. */
export function isExpired(m: Message, now: number): boolean {
  return m.expiresAt !== NEVER && m.expiresAt <= now;
}

/** Why an address could not be used, as an error. */
export function failureOf(why: unknown, url: URL): WaymeetError {
  if (why instanceof WaymeetError) return why;
  if (why instanceof LoginRefused) {
    const reason = `${shown(url)} refused the connection: ${why.message}`;
    return errorOf({ ...why.why, reason }, why.protocol, why);
  }
  const message = why instanceof Error ? why.message : String(why);
  return new WaymeetError(
    'unreachable',
    url.protocol.slice(0, -1),
    `cannot connect to ${shown(url)}: ${message}`,
    {
      cause: why,
    },
  );
}
