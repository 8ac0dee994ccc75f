// The client's side of AMQP 1.0: one connection with one session, from the protocol header to the goodbye.

import { type Message, NEVER, type Origin, type Qos } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type {
  Answer,
  Refusal,
  SessionMemory,
  Speaker,
  SpeakerEvents,
  SpeakerOptions,
  Speech,
  SubscribeHow,
  Tag,
} from '../../contract/speaker.ts';
import type { Wire } from '../../contract/wire.ts';
import { addressOf, QUEUE_SCHEME } from './address.ts';
import { type ClientHost, type ClientLink, PublishLink, refusalOf, SubscribeLink } from './client-links.ts';
import { ClientLogin } from './client-login.ts';
import { ABILITY, ELSEWHERE, forgetful, keepingOf } from './client-terms.ts';
import { readPerformative, readSasl } from './composite.ts';
import { ValueReader } from './decode.ts';
import { ConnectionFault } from './fault.ts';
import {
  AMQP_HEADER,
  EMPTY_FRAME,
  encodeFrame,
  encodeSasl,
  FrameCutter,
  HEADER_BYTES,
  MIN_MAX_FRAME,
  SASL_FRAME,
  SASL_HEADER,
} from './frames.ts';
import {
  ATTACH,
  type Attach,
  BEGIN,
  type Begin,
  CLOSE,
  DETACH,
  type DeliveryState,
  DISPOSITION,
  type Disposition,
  END,
  FLOW,
  type Flow,
  OPEN,
  type Open,
  type Performative,
  RECEIVER,
  SENDER,
  TARGET,
  TRANSFER,
} from './packet.ts';
import type { Transferring } from './transfer.ts';
import { lookUp } from './types.ts';

export const amqp1Speech: Speech = {
  name: 'amqp1',
  carrier: 'stream',
  subprotocols: ['amqp'],
  ability: ABILITY,
  open: (wire, options, events) => new Amqp1Speaker(wire, options, events),
};

const FRAME_MAX = 131_072;
const WINDOW = 2_048;
const CLOSED: Refusal = { outcome: 'unavailable', reason: 'the connection was closed', code: 0 };
const LOST: Refusal = { outcome: 'unavailable', reason: 'the connection was lost', code: 0 };

/**
 *     sasl      our header is sent. Mechanisms: init; outcome 0: greeting; any other: ended
 *     greeting  header, open and begin are sent. Theirs, and the attach of what is kept: open
 *     open      messages pass. close(): closing; close, silence: ended
 *     closing   close is sent; close, lost: ended
 */
class Amqp1Speaker implements Speaker, ClientHost {
  readonly options: SpeakerOptions;
  readonly events: SpeakerEvents;
  readonly memory: SessionMemory;
  readonly origin: Origin = { protocol: 'amqp1', client: '', principal: '' };
  readonly keeping: ClientHost['keeping'];
  maxMessageBytes = NEVER;
  private readonly wire: Wire;
  private readonly frames: FrameCutter;
  private readonly login: ClientLogin;
  private state: 'sasl' | 'greeting' | 'open' | 'closing' | 'ended' = 'sasl';
  private awaitsHeader = true;
  private early: (() => void)[] = [];
  private readonly links = new Map<number, ClientLink>();
  private readonly subscriptions = new Map<string, SubscribeLink>();
  private readonly publishers = new Map<string, PublishLink>();
  private readonly sent = new Map<number, (state: DeliveryState | undefined, settled: boolean) => void>();
  private readonly awaited = new Map<number, () => void>();
  private pending: Transferring[] = [];
  private theirs: Open | undefined = undefined;
  private frameMax = MIN_MAX_FRAME;
  private remoteWindow = 0;
  private nextOutgoingId = 0;
  private nextIncomingId = 0;
  private unannounced = 0;
  private deliveryId = 0;
  private lastHandle = -1;
  private lastId = 0;
  private heardAt: number;
  private beatMs = 0;

  constructor(wire: Wire, options: SpeakerOptions, events: SpeakerEvents) {
    this.wire = wire;
    this.options = options;
    this.events = events;
    this.memory = options.memory ?? forgetful();
    this.keeping = keepingOf(options);
    this.heardAt = options.now();
    this.frames = new FrameCutter(FRAME_MAX, (type, _channel, bytes, start, end) =>
      this.frame(type, bytes, start, end),
    );
    this.login = new ClientLogin(
      options,
      (p) => wire.write(encodeSasl(p)),
      () => this.greet(),
      (why) => {
        this.end(why);
        wire.end();
      },
    );
    wire.write(SASL_HEADER);
  }

  // --- what the caller asks ---

  get room(): number {
    if (this.state !== 'open' || !this.writable) return 0;
    return this.relay ? this.publisher(undefined, false).room : 1;
  }

  publish(m: Message, answer: Answer, tag?: Tag): void {
    if (this.waits(() => this.publish(m, answer, tag), answer)) return;
    this.publisher(this.relay ? undefined : m.topic, m.qos === 2).publish(m, answer, tag);
  }

  /** Each message may say where it goes. */
  private get relay(): boolean {
    return this.theirs?.offeredCapabilities?.includes('ANONYMOUS-RELAY') === true;
  }

  private publisher(
    topic: string | undefined,
    exact: boolean,
    ready?: (resumed: boolean) => void,
  ): PublishLink {
    const name = nameOf(exact, topic);
    let link = this.publishers.get(name);
    if (link === undefined) {
      link = new PublishLink(this, ++this.lastHandle, name, exact, topic, ready);
      this.publishers.set(name, link);
      this.links.set(link.handle, link);
      link.attach();
    }
    return link;
  }

  subscribe(
    filter: string,
    qos: Qos,
    answer: (granted: Qos | Refusal) => void,
    how: SubscribeHow = {},
  ): void {
    if (this.waits(() => this.subscribe(filter, qos, answer, how), answer)) return;
    const known = this.subscriptions.get(filter);
    const make = (): void => {
      const link = new SubscribeLink(this, ++this.lastHandle, filter, qos, how, answer, () => ++this.lastId);
      this.links.set(link.handle, link);
      this.subscriptions.set(filter, link);
      if (known === undefined && this.options.clean && this.keeping !== undefined)
        this.forgetEarlier({ name: filter, role: RECEIVER });
      link.attach();
    };
    // Subscribing again is with other terms: the link is made anew.
    if (known === undefined) make();
    else known.unsubscribe(make);
  }

  unsubscribe(filter: string, answer: Answer): void {
    if (this.waits(() => this.unsubscribe(filter, answer), answer)) return;
    const link = this.subscriptions.get(filter);
    this.subscriptions.delete(filter);
    if (link === undefined) answer(undefined);
    else link.unsubscribe(answer);
  }

  settle(id: number, outcome: Outcome): void {
    if (this.state !== 'open') return;
    for (const link of this.links.values())
      if (link instanceof SubscribeLink && link.settle(id, outcome)) return;
  }

  close(): void {
    if (this.state === 'closing' || this.state === 'ended') return;
    if (this.state === 'open') {
      this.wire.write(encodeFrame(0, { kind: CLOSE }));
      this.state = 'closing';
      this.refuseAll(CLOSED);
    } else {
      this.state = 'closing';
      this.refuseAll(CLOSED);
      this.wire.end();
    }
  }

  private waits(call: () => void, answer: (why: Refusal) => void): boolean {
    if (this.state === 'open') return false;
    if (this.state === 'sasl' || this.state === 'greeting') this.early.push(call);
    else answer(CLOSED);
    return true;
  }

  // --- what the links ask ---

  /** Where a topic or filter is. A broker that told prefixes has its own names behind them. */
  addressOf(topic: string): string {
    const properties = this.theirs?.properties;
    if (lookUp(properties, 'product')?.value === 'Waymeet') return addressOf(topic);
    const address = addressOf(topic);
    const prefix = (name: string): string => String(lookUp(properties, name)?.value ?? '');
    return address.startsWith(QUEUE_SCHEME)
      ? prefix('queue-prefix') + address.slice(QUEUE_SCHEME.length)
      : prefix('topic-prefix') + topic;
  }

  nextDeliveryId(): number {
    const id = this.deliveryId;
    this.deliveryId = (id + 1) >>> 0;
    return id;
  }

  get writable(): boolean {
    return this.remoteWindow > 0 && this.pending.length === 0 && !this.wire.full;
  }

  write(p: Performative): void {
    this.wire.write(encodeFrame(0, p));
  }

  flow(link: Pick<Flow, 'handle' | 'deliveryCount' | 'linkCredit'> | undefined): void {
    this.unannounced = 0;
    this.write({
      kind: FLOW,
      nextIncomingId: this.nextIncomingId,
      incomingWindow: WINDOW,
      nextOutgoingId: this.nextOutgoingId,
      outgoingWindow: WINDOW,
      ...link,
    });
  }

  transfer(t: Transferring): void {
    this.pending.push(t);
    this.flush();
  }

  private flush(): void {
    while (this.pending.length > 0 && this.remoteWindow > 0) {
      this.remoteWindow--;
      this.nextOutgoingId = (this.nextOutgoingId + 1) >>> 0;
      if (this.pending[0]!.writeFrame(this.wire, 0, this.frameMax)) this.pending.shift();
    }
  }

  expect(deliveryId: number, said: (state: DeliveryState | undefined, settled: boolean) => void): void {
    this.sent.set(deliveryId, said);
  }

  forget(deliveryId: number): void {
    this.sent.delete(deliveryId);
  }

  await(deliveryId: number, done: () => void): void {
    this.awaited.set(deliveryId, done);
  }

  // --- the wire ---

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heardAt = now;
    let at = start;
    while (this.state !== 'ended') {
      const before = at;
      if (!this.awaitsHeader)
        at = this.frames.cut(bytes, at, end, () => !this.awaitsHeader && this.state !== 'ended');
      else if (end - at >= HEADER_BYTES) at = this.header(bytes, at);
      if (at === before) return at;
    }
    return end;
  }

  private header(bytes: Uint8Array, at: number): number {
    const wanted = this.state === 'sasl' ? SASL_HEADER : AMQP_HEADER;
    if (!wanted.every((octet, i) => bytes[at + i] === octet))
      throw new ConnectionFault(
        'AMQP1-2.2',
        'amqp:not-implemented',
        'the other side speaks another protocol',
      );
    this.awaitsHeader = false;
    return at + HEADER_BYTES;
  }

  private frame(type: number, bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    const r = new ValueReader(bytes, start, end);
    if (this.state === 'sasl' && type === SASL_FRAME) this.login.heard(readSasl(r));
    else if (this.state !== 'sasl' && type !== SASL_FRAME)
      this.perform(readPerformative(r), bytes, r.at, end);
    else
      throw new ConnectionFault('AMQP1-5.3.2', 'amqp:connection:framing-error', 'a frame of the wrong type');
  }

  private greet(): void {
    const { host, clientId, keepAliveMs } = this.options;
    this.state = 'greeting';
    this.awaitsHeader = true;
    this.wire.write(AMQP_HEADER);
    this.write({
      kind: OPEN,
      containerId: clientId === '' ? containerId(this.options.random(12)) : clientId,
      hostname: host,
      maxFrameSize: FRAME_MAX,
      ...(keepAliveMs > 0 ? { idleTimeOut: keepAliveMs } : {}),
      properties: [],
    });
    this.write({ kind: BEGIN, nextOutgoingId: 0, incomingWindow: WINDOW, outgoingWindow: WINDOW });
  }

  private perform(p: Performative, bytes: Uint8Array, start: number, end: number): void {
    switch (p.kind) {
      case OPEN:
        this.theirs = p;
        this.frameMax = Math.min(p.maxFrameSize ?? FRAME_MAX, FRAME_MAX);
        this.beatMs = (p.idleTimeOut ?? 0) / 2;
        this.schedule(this.options.now());
        return;
      case BEGIN:
        this.begun(p);
        return;
      case ATTACH:
        if (p.maxMessageSize !== undefined && p.maxMessageSize > 0n)
          this.maxMessageBytes = Number(p.maxMessageSize);
        this.linkOf(p.name, p.handle, p.role)?.attached(p);
        return;
      case FLOW:
        this.flowed(p);
        return;
      case TRANSFER:
        this.nextIncomingId = (this.nextIncomingId + 1) >>> 0;
        if (++this.unannounced > WINDOW / 2) this.flow(undefined);
        this.links.get(this.ours.get(p.handle) ?? -1)?.transfer(p, bytes, start, end);
        return;
      case DISPOSITION:
        this.disposition(p);
        return;
      case DETACH:
        this.detached(p.handle, refusalOf(p.error, 'the link was detached'));
        return;
      case END:
        this.finish(refusalOf(p.error, 'the session was ended'));
        return;
      case CLOSE:
        if (this.state === 'closing') this.end(undefined);
        else {
          this.write({ kind: CLOSE });
          this.end(refusalOf(p.error, 'the other side closed the connection'));
        }
        this.wire.end();
    }
  }

  /** Our handles by theirs: each side numbers links for itself. */
  private readonly ours = new Map<number, number>();

  /** Names whose next attach is not for a link of ours: what an earlier program left was given up. */
  private readonly given: string[] = [];

  private forgetEarlier(link: Pick<Attach, 'name' | 'role' | 'target' | 'initialDeliveryCount'>): void {
    const handle = ++this.lastHandle;
    this.given.push(link.name);
    this.write({ kind: ATTACH, handle, ...link });
    this.write({ kind: DETACH, handle, closed: true });
  }

  private linkOf(name: string, theirs: number, role: boolean): ClientLink | undefined {
    const given = this.given.indexOf(name);
    if (given >= 0) {
      this.given.splice(given, 1);
      return undefined;
    }
    for (const link of this.links.values()) {
      if (link.answered || link.name !== name) continue;
      if (link instanceof PublishLink === (role === RECEIVER)) {
        link.answered = true;
        this.ours.set(theirs, link.handle);
        return link;
      }
    }
    return undefined;
  }

  private detached(theirs: number, why: Refusal): void {
    const handle = this.ours.get(theirs);
    this.ours.delete(theirs);
    const link = handle === undefined ? undefined : this.links.get(handle);
    if (link === undefined) return;
    this.links.delete(link.handle);
    // Ours was first: this is its answer.
    if (!link.leaving) this.write({ kind: DETACH, handle: link.handle, closed: true });
    link.detached(why);
  }

  private flowed(f: Flow): void {
    this.remoteWindow = Math.min(
      0x7fff_ffff,
      (((f.nextIncomingId ?? 0) - this.nextOutgoingId) | 0) + f.incomingWindow,
    );
    this.flush();
    if (f.handle !== undefined) this.links.get(this.ours.get(f.handle) ?? -1)?.flowed(f);
    else for (const link of this.links.values()) link.pump();
    if (f.echo === true) this.flow(undefined);
  }

  private disposition({ role, first, last = first, state, settled = false }: Disposition): void {
    const span = (last - first) >>> 0;
    const within = (id: number): boolean => (id - first) >>> 0 <= span;
    if (role === RECEIVER) {
      for (const [id, said] of [...this.sent]) if (within(id)) said(state, settled);
    } else if (settled) {
      for (const [id, done] of [...this.awaited]) {
        if (!within(id)) continue;
        this.awaited.delete(id);
        done();
      }
    }
  }

  // --- the session ---

  private begun(p: Begin): void {
    this.nextIncomingId = p.nextOutgoingId;
    this.remoteWindow = p.incomingWindow;
    if (this.keeping === undefined || !this.relay) {
      this.opened(false);
      return;
    }
    // What is kept of exactly-once publishes says whether the other side remembers us.
    if (this.options.clean) {
      const target = { kind: TARGET, ...this.keeping };
      this.forgetEarlier({ name: nameOf(true, undefined), role: SENDER, target, initialDeliveryCount: 0 });
    }
    let told = false;
    this.publisher(undefined, true, (resumed) => {
      if (!told) this.opened(resumed);
      told = true;
    });
  }

  private opened(resumed: boolean): void {
    if (this.state !== 'greeting') return;
    this.state = 'open';
    const { containerId: container, properties } = this.theirs!;
    const product = lookUp(properties, 'product')?.value;
    this.events.opened({
      clientId: this.options.clientId,
      resumed,
      ability: product === 'Waymeet' ? ABILITY : ELSEWHERE,
      server: typeof product === 'string' ? product : container,
    });
    if (this.relay) this.publisher(undefined, false);
    const { early } = this;
    this.early = [];
    for (const call of early) call();
  }

  // --- time and the end ---

  drained(): void {
    this.flush();
    for (const link of this.links.values()) link.pump();
  }

  wake(now: number): void {
    const { keepAliveMs } = this.options;
    if (this.state === 'ended') return;
    if (keepAliveMs > 0 && now >= this.heardAt + 2 * keepAliveMs) {
      this.finish({ outcome: 'idle', reason: 'nothing was heard for too long', code: 0 });
      return;
    }
    if (this.theirs !== undefined && this.beatMs > 0) this.wire.write(EMPTY_FRAME);
    this.schedule(now);
  }

  private schedule(now: number): void {
    const { keepAliveMs } = this.options;
    const beat = this.beatMs > 0 ? now + this.beatMs : NEVER;
    this.wire.wake(Math.min(beat, keepAliveMs > 0 ? this.heardAt + 2 * keepAliveMs : NEVER));
  }

  broken(why: Error): void {
    if (this.state === 'open' && why instanceof ConnectionFault)
      this.write({ kind: CLOSE, error: { condition: why.condition, description: why.message } });
    this.end({
      outcome: 'payload-invalid',
      reason: `the other side broke the protocol: ${why.message}`,
      code: 0,
    });
  }

  lost(): void {
    this.end(this.state === 'closing' ? undefined : LOST);
  }

  /** Ends it from this side. */
  private finish(why: Refusal): void {
    this.write({ kind: CLOSE });
    this.end(why);
    this.wire.end();
  }

  private end(why: Refusal | undefined): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.login.abandon();
    this.refuseAll(why ?? CLOSED);
    this.events.ended(why);
  }

  private refuseAll(why: Refusal): void {
    const links = [...this.links.values()];
    this.links.clear();
    this.sent.clear();
    this.pending = [];
    for (const link of links) link.detached(why);
    const { early } = this;
    this.early = [];
    for (const call of early) call();
  }
}

function nameOf(exact: boolean, topic: string | undefined): string {
  return `publish ${exact ? 'exactly' : 'at least'} once ${topic ?? ''}`;
}

function containerId(octets: Uint8Array): string {
  let id = 'client-';
  for (const octet of octets) id += octet.toString(16).padStart(2, '0');
  return id;
}
