// One AMQP 1.0 connection: its greeting and login, its sessions, signs of life, backpressure and ends.

import type { Exchange, ExchangeStep, Login } from '../../contract/auth.ts';
import type { Access, Guest, Hub } from '../../contract/hub.ts';
import { NEVER, type Origin } from '../../contract/message.ts';
import type { Departure, Outcome } from '../../contract/outcome.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { readPerformative, readSasl } from './composite.ts';
import { Transactions } from './coordinator.ts';
import { ValueReader } from './decode.ts';
import { type Condition, ConnectionFault, SessionFault } from './fault.ts';
import {
  AMQP_FRAME,
  AMQP_HEADER,
  EMPTY_FRAME,
  encodeFrame,
  encodeSasl,
  FrameCutter,
  HEADER_BYTES,
  MIN_MAX_FRAME,
  SASL_HEADER,
} from './frames.ts';
import type { ConnectionHost } from './link.ts';
import { CONDITION, SENTENCE } from './map.ts';
import type { Amqp1Options } from './options.ts';
import {
  BEGIN,
  type Begin,
  CLOSE,
  END,
  OPEN,
  type Open,
  type Performative,
  SASL_CHALLENGE,
  SASL_INIT,
  SASL_MECHANISMS,
  SASL_OUTCOME,
  SASL_RESPONSE,
  type SaslFrame,
} from './packet.ts';
import { codeOfRefusal, credentialsOf, isExchange, mechanismsOn, SASL_OK } from './sasl.ts';
import { AmqpSession, INCOMING_WINDOW, OUTGOING_WINDOW } from './session.ts';
import { type Termini, terminiOf } from './termini.ts';
import { type AmqpMap, symbol, text } from './types.ts';

/** A client that is not logged in has little to say. */
const EARLY_FRAME = 16_384;
/** How long the other side may take to answer close. */
const CLOSE_MS = 5_000;
/** Reading stops while so many answers wait for the store, or so much is not read by the client. */
const WAITING_ANSWERS = 16_384;
const UNREAD_BYTES = 4 * 1_048_576;
/** How often a held-back publisher looks whether the memory is free again. */
const PRESSED_MS = 100;
/** Unfinished deliveries of one connection, in units of the largest message. */
const UNFINISHED = 4;
/** A client that wants to hear from us more often than this wants too much. ms */
const MIN_IDLE_MS = 100;

const PROPERTIES: AmqpMap = [
  [symbol('product'), text('Waymeet')],
  [symbol('platform'), text('Node.js')],
  // Clients of JMS put these before the names of queues and topics.
  [symbol('queue-prefix'), text('queue://')],
  [symbol('topic-prefix'), text('topic://')],
];
const CAPABILITIES = ['ANONYMOUS-RELAY', 'SHARED-SUBS'];

type State = 'new' | 'sasl' | 'proving' | 'proved' | 'opening' | 'knocking' | 'running' | 'closing' | 'lost';

/**
 * States: new —SASL header→ sasl —init, response→ proving —challenge→ sasl; proving —welcome→ proved —AMQP header→ opening —open→ running.
 * Without SASL: new —AMQP header→ opening —open→ knocking —welcome→ running.
 * opening, running —fault→ closing —close, time→ lost; any —close→ lost; proving, knocking —refuse→ lost.
 */
export class Amqp1Peer implements Peer, Guest, ConnectionHost {
  readonly hub: Hub;
  readonly wire: Wire;
  readonly termini: Termini;
  readonly transactions = new Transactions((bytes) => this.weigh(bytes));
  username: string | undefined = undefined;
  container = '';
  frameMax = MIN_MAX_FRAME;
  keptTicket = 0;
  private readonly options: Amqp1Options;
  private readonly frames: FrameCutter;
  private readonly sessions = new Map<number, AmqpSession>();
  private readonly openedAt: number;
  private state: State = 'new';
  private member: Access | undefined = undefined;
  private who: Origin | undefined = undefined;
  private exchange: Exchange | undefined = undefined;
  /** Our open was sent. */
  private spoke = false;
  private layer: 'amqp' | 'sasl' = 'amqp';
  private heardAt: number;
  private beatMs = 0;
  private nextBeat = NEVER;
  private closeBy = NEVER;
  private pressedUntil = NEVER;
  private unfinished = 0;
  private choked = false;
  private graceful = false;
  /** The reply that goes with the outcome of an exchange. */
  private lastWord: Uint8Array | undefined = undefined;

  constructor(wire: Wire, hub: Hub, options: Amqp1Options, now: number) {
    this.wire = wire;
    this.hub = hub;
    this.options = options;
    this.termini = terminiOf(hub);
    this.openedAt = now;
    this.heardAt = now;
    this.frames = new FrameCutter(EARLY_FRAME, (type, channel, bytes, start, end) =>
      this.frame(type, channel, bytes, start, end),
    );
    this.schedule();
  }

  get access(): Access {
    return this.member!;
  }

  get origin(): Origin {
    return this.who!;
  }

  get maxMessageBytes(): number {
    return this.wire.limits.maxPacketBytes;
  }

  get credit(): number {
    return this.options.credit;
  }

  get links(): number {
    return Math.min(this.options.links, this.hub.limits.subscriptionsPerClient);
  }

  get attached(): number {
    let links = 0;
    for (const session of this.sessions.values()) links += session.size;
    return links;
  }

  get pressed(): boolean {
    if (!this.hub.pressed) return false;
    if (this.pressedUntil === NEVER) {
      this.pressedUntil = this.hub.now() + PRESSED_MS;
      this.schedule();
    }
    return true;
  }

  // --- in ---

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heardAt = now;
    let at = start;
    for (;;) {
      const before = at;
      if (this.awaitsHeader) at = this.header(bytes, at, end);
      if (!this.awaitsHeader && this.listens) at = this.frames.cut(bytes, at, end, () => this.listens);
      if (this.state === 'lost') return end;
      if (at === before || !this.awaitsHeader) break;
    }
    this.afterwards();
    return at;
  }

  /** A protocol header comes next. */
  private get awaitsHeader(): boolean {
    return this.state === 'new' || this.state === 'proved';
  }

  /** Frames are performed, and neither a login nor a header is waited for. */
  private get listens(): boolean {
    const { state } = this;
    return state === 'sasl' || state === 'opening' || state === 'running' || state === 'closing';
  }

  /** `AMQP` and what is spoken; anything else is told what could be. [AMQP1-2.2] */
  private header(bytes: Uint8Array, start: number, end: number): number {
    if (end - start < HEADER_BYTES) return start;
    const is = (wanted: Uint8Array): boolean => wanted.every((octet, i) => bytes[start + i] === octet);
    if (is(AMQP_HEADER)) {
      this.layer = 'amqp';
      this.wire.write(AMQP_HEADER);
      this.state = 'opening';
    } else if (is(SASL_HEADER) && this.state === 'new') {
      this.layer = 'sasl';
      this.wire.write(SASL_HEADER);
      const mechanisms = mechanismsOn(this.wire, this.hub, this.loginOf());
      this.wire.write(encodeSasl({ kind: SASL_MECHANISMS, mechanisms }));
      this.state = 'sasl';
    } else {
      this.wire.write(this.state === 'new' ? SASL_HEADER : AMQP_HEADER);
      this.leave();
    }
    return start + HEADER_BYTES;
  }

  private frame(type: number, channel: number, bytes: Uint8Array, start: number, end: number): void {
    const sasl = this.state === 'sasl';
    if (sasl === (type === AMQP_FRAME))
      throw new ConnectionFault(
        'AMQP1-2.3.1',
        'amqp:connection:framing-error',
        `frame type ${type} has no place here`,
      );
    if (start === end) return; // a sign of life [AMQP1-2.4.5]
    const r = new ValueReader(bytes, start, end);
    if (sasl) this.sasl(readSasl(r));
    else this.perform(channel, readPerformative(r), bytes, r.at, end);
  }

  // --- SASL ---

  private loginOf(username?: string, password?: Uint8Array): Login {
    const { remote, listener, identity } = this.wire;
    return { protocol: 'amqp1', client: '', username, password, remote, listener, wire: identity };
  }

  private sasl(p: SaslFrame): void {
    if (p.kind === SASL_RESPONSE && this.exchange !== undefined) this.step(p.response);
    else if (p.kind === SASL_INIT && this.exchange === undefined) this.init(p);
    else
      throw new ConnectionFault('AMQP1-5.3.2', 'amqp:illegal-state', 'this SASL frame is not expected here');
  }

  private init({ mechanism, initialResponse }: Extract<SaslFrame, { kind: typeof SASL_INIT }>): void {
    const response = initialResponse ?? new Uint8Array(0);
    const credentials = credentialsOf(mechanism, response, this.wire);
    if (credentials !== undefined) {
      this.username = credentials.username;
      this.prove();
      this.hub.login(this.loginOf(credentials.username, credentials.password), this);
      return;
    }
    const exchange = isExchange(mechanism) ? this.hub.exchange(mechanism, this.loginOf()) : undefined;
    if (exchange === undefined) {
      this.prove();
      this.refuse('bad-authentication-method');
      return;
    }
    this.exchange = exchange;
    this.step(response);
  }

  private prove(): void {
    this.state = 'proving';
    this.wire.pause();
  }

  private step(response: Uint8Array): void {
    this.prove();
    this.exchange!.step(response.slice()).then(
      (step) => this.stepped(step),
      () => this.refuse('unavailable'),
    );
  }

  private stepped(step: ExchangeStep): void {
    if (this.state !== 'proving') return;
    switch (step.kind) {
      case 'challenge':
        this.wire.write(encodeSasl({ kind: SASL_CHALLENGE, challenge: step.reply }));
        this.state = 'sasl';
        this.wire.resume();
        return;
      case 'refused':
        this.refuse(step.why);
        return;
      case 'done':
        this.username = step.identity.principal;
        this.lastWord = step.reply;
        this.hub.admit(this.loginOf(this.username), step.identity, this);
    }
  }

  welcome(access: Access): void {
    if (this.state !== 'proving' && this.state !== 'knocking') {
      access.leave(true, this.hub.now());
      return;
    }
    this.member = access;
    this.who = { protocol: 'amqp1', client: access.client, principal: access.identity.principal };
    this.termini.load(access);
    this.frames.frameMax = this.options.frameMax;
    if (this.state === 'proving') {
      const additionalData = this.lastWord;
      this.wire.write(
        encodeSasl({
          kind: SASL_OUTCOME,
          outcome: SASL_OK,
          ...(additionalData === undefined ? {} : { additionalData }),
        }),
      );
      this.state = 'proved';
    } else this.begun();
    this.wire.resume();
  }

  refuse(why: Outcome): void {
    if (this.state === 'proving') {
      this.wire.write(encodeSasl({ kind: SASL_OUTCOME, outcome: codeOfRefusal(why) }));
      this.leave();
    } else this.close(CONDITION[why], SENTENCE[why]);
  }

  // --- the connection ---

  private perform(channel: number, p: Performative, bytes: Uint8Array, start: number, end: number): void {
    if (this.state === 'closing') {
      if (p.kind === CLOSE) this.leave();
      return;
    }
    if (p.kind === OPEN) {
      if (this.state !== 'opening') throw illegal('open comes once');
      this.open(p);
      return;
    }
    if (this.state !== 'running') throw illegal('open comes first');
    if (p.kind === CLOSE) {
      this.graceful = true;
      this.releaseAll();
      this.wire.write(encodeFrame(0, { kind: CLOSE }));
      this.leave();
      return;
    }
    if (p.kind === BEGIN) {
      this.begin(channel, p);
      return;
    }
    const session = this.sessions.get(channel);
    if (session === undefined) throw illegal(`no session has begun on channel ${channel}`);
    if (p.kind === END) this.end(session);
    else if (session.state === 'open') this.inSession(session, () => session.perform(p, bytes, start, end));
  }

  private open(p: Open): void {
    const { maxFrameSize = 0xffff_ffff, idleTimeOut = 0, containerId } = p;
    if (maxFrameSize < MIN_MAX_FRAME)
      throw new ConnectionFault(
        'AMQP1-2.7.1',
        'amqp:invalid-field',
        `frames of less than ${MIN_MAX_FRAME} octets`,
      );
    if (idleTimeOut > 0 && idleTimeOut < MIN_IDLE_MS)
      throw new ConnectionFault(
        'AMQP1-2.4.5',
        'amqp:not-allowed',
        `an idle time-out of less than ${MIN_IDLE_MS} ms`,
      );
    if (containerId.length > this.hub.limits.clientIdBytes)
      throw new ConnectionFault('AMQP1-2.7.1', 'amqp:invalid-field', 'the container id is too long');
    this.frameMax = Math.min(maxFrameSize, this.options.frameMax);
    this.beatMs = idleTimeOut / 2;
    this.container = containerId;
    if (this.member !== undefined) {
      this.begun();
      return;
    }
    // Without SASL nobody has said who he is.
    this.state = 'knocking';
    this.wire.pause();
    this.hub.login(this.loginOf(), this);
  }

  private begun(): void {
    this.state = 'running';
    this.speak();
    if (this.beatMs > 0) this.nextBeat = this.hub.now() + this.beatMs;
    this.schedule();
  }

  private speak(): void {
    if (this.spoke) return;
    this.spoke = true;
    const { frameMax, sessions, idleMs } = this.options;
    this.wire.write(
      encodeFrame(0, {
        kind: OPEN,
        containerId: 'waymeet',
        maxFrameSize: frameMax,
        channelMax: sessions - 1,
        idleTimeOut: idleMs,
        offeredCapabilities: CAPABILITIES,
        properties: PROPERTIES,
      }),
    );
  }

  private begin(channel: number, p: Begin): void {
    if (p.remoteChannel !== undefined) throw illegal('the hub begins no sessions');
    if (channel >= this.options.sessions)
      throw new ConnectionFault(
        'AMQP1-2.7.1',
        'amqp:connection:framing-error',
        `channels go up to ${this.options.sessions - 1}`,
      );
    if (this.sessions.has(channel))
      throw new ConnectionFault(
        'AMQP1-2.5.1',
        'amqp:not-allowed',
        `a session has begun on channel ${channel}`,
      );
    this.sessions.set(channel, new AmqpSession(this, channel, p));
    this.wire.write(
      encodeFrame(channel, {
        kind: BEGIN,
        remoteChannel: channel,
        nextOutgoingId: 0,
        incomingWindow: INCOMING_WINDOW,
        outgoingWindow: OUTGOING_WINDOW,
        handleMax: this.links - 1,
      }),
    );
  }

  private end(session: AmqpSession): void {
    this.sessions.delete(session.channel);
    if (session.state !== 'open') return;
    session.flushAnswers();
    session.release();
    this.wire.write(encodeFrame(session.channel, { kind: END }));
  }

  /** A fault ends the session alone. */
  private inSession(session: AmqpSession, work: () => void): void {
    try {
      work();
    } catch (why) {
      if (!(why instanceof SessionFault)) throw why;
      session.release();
      const error = { condition: why.condition, description: why.message };
      this.wire.write(encodeFrame(session.channel, { kind: END, error }));
    }
  }

  // --- out ---

  write(channel: number, p: Performative): void {
    this.wire.write(encodeFrame(channel, p));
  }

  weigh(bytes: number): void {
    this.unfinished += bytes;
    if (this.unfinished > UNFINISHED * this.maxMessageBytes)
      throw new ConnectionFault(
        'AMQP1-2.7.5',
        'amqp:resource-limit-exceeded',
        'too many unfinished deliveries',
      );
  }

  kept(ticket: number): void {
    this.keptTicket = Math.max(this.keptTicket, ticket);
    this.afterwards();
  }

  drained(): void {
    if (this.state !== 'running') return;
    for (const session of [...this.sessions.values()]) this.inSession(session, () => session.pull());
    this.afterwards();
  }

  /** What is kept is said, and reading goes on or stops. */
  private afterwards(): void {
    if (this.state !== 'running') return;
    for (const session of this.sessions.values()) session.flushAnswers();
    this.regulate();
  }

  /** Stops reading while the store is slow or the client does not read. Short memory holds back credit instead. */
  private regulate(): void {
    let waiting = 0;
    for (const session of this.sessions.values()) waiting += session.waiting;
    const half = this.choked ? 2 : 1;
    const choked = waiting * half > WAITING_ANSWERS || this.wire.unsent * half > UNREAD_BYTES;
    if (choked === this.choked) return;
    this.choked = choked;
    if (choked) this.wire.pause();
    else {
      this.heardAt = this.hub.now(); // what it said meanwhile was not read
      this.wire.resume();
    }
  }

  // --- time ---

  wake(now: number): void {
    if (this.state === 'lost') return;
    if (now >= this.closeBy) {
      this.leave();
      return;
    }
    if (this.state !== 'running') {
      if (this.state !== 'closing' && now >= this.openedAt + this.wire.limits.loginMs) this.evict('idle');
    } else {
      if (!this.choked && now >= this.heardAt + 2 * this.options.idleMs) {
        this.evict('idle');
        return;
      }
      if (now >= this.nextBeat) {
        this.nextBeat = now + this.beatMs;
        this.wire.write(EMPTY_FRAME);
      }
      if (now >= this.pressedUntil) {
        this.pressedUntil = NEVER;
        this.drained();
      }
    }
    this.schedule();
  }

  private schedule(): void {
    if (this.state === 'lost') return;
    if (this.state === 'closing') this.wire.wake(this.closeBy);
    else if (this.state === 'running') {
      const silence = this.choked ? NEVER : this.heardAt + 2 * this.options.idleMs;
      this.wire.wake(Math.min(silence, this.nextBeat, this.pressedUntil));
    } else this.wire.wake(this.openedAt + this.wire.limits.loginMs);
  }

  // --- ends ---

  slow(ms: number): boolean {
    if (this.wire.hold === undefined) return false;
    this.heardAt = this.hub.now() + ms; // its silence is our doing until then
    this.wire.hold(ms);
    return true;
  }

  evict(why: Outcome): void {
    this.member?.blame(why);
    this.close(CONDITION[why], SENTENCE[why]);
  }

  /** Says why it ends, and waits for the client to agree. */
  private close(condition: Condition, description: string): void {
    if (this.state === 'closing' || this.state === 'lost') return;
    const told = this.say(condition, description);
    this.releaseAll();
    if (!told) {
      this.leave();
      return;
    }
    this.state = 'closing';
    this.closeBy = this.hub.now() + CLOSE_MS;
    this.wire.resume();
    this.schedule();
  }

  /** Before its open, a close has no place; before the header, neither has. False: there is nobody to tell. */
  private say(condition: Condition, description: string): boolean {
    if (this.layer !== 'amqp' || this.state === 'new') return false;
    this.speak();
    this.wire.write(encodeFrame(0, { kind: CLOSE, error: { condition, description } }));
    return true;
  }

  broken(why: Error): void {
    if (this.state === 'closing' || this.state === 'lost') return;
    this.member?.blame('protocol-error');
    const condition = why instanceof ConnectionFault ? why.condition : 'amqp:internal-error';
    this.say(condition, why.message);
    this.releaseAll();
    this.state = 'lost';
  }

  private releaseAll(): void {
    this.transactions.clear();
    for (const session of this.sessions.values()) session.release();
    this.sessions.clear();
  }

  private leave(): void {
    this.state = 'lost';
    this.wire.end();
  }

  blamed(why: Departure): void {
    this.member?.blame(why);
  }

  lost(now: number): void {
    this.state = 'lost';
    this.releaseAll();
    this.member?.leave(this.graceful, now);
    this.member = undefined;
  }
}

function illegal(why: string): ConnectionFault {
  return new ConnectionFault('AMQP1-2.4', 'amqp:illegal-state', why);
}
