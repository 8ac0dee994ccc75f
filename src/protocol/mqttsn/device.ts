// One client, direct or behind a forwarder: its login, its will, its sleep, and what becomes of it when it is silent.

import type { Access, Guest, Hub } from '../../contract/hub.ts';
import { NEVER } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { isTopicName } from '../../contract/topic.ts';
import type { WireIdentity } from '../../contract/wire.ts';
import type { Line } from './line.ts';
import { RETURN_CODE, silenceMs, type Will } from './map.ts';
import type { SnOptions } from './options.ts';
import {
  ACCEPTED,
  CONNACK,
  CONNECT,
  type Connect,
  DISCONNECT,
  type Disconnect,
  NOT_SUPPORTED,
  PINGREQ,
  PINGRESP,
  type PingRequest,
  PROTOCOL_ID,
  PUBLISH,
  PUBREL,
  REGISTER,
  type SnPacket,
  SUBSCRIBE,
  UNSUBSCRIBE,
  WILLMSG,
  WILLMSGREQ,
  WILLMSGUPD,
  WILLTOPIC,
  WILLTOPICREQ,
  WILLTOPICUPD,
  type WillTopic,
} from './packet.ts';
import { Session } from './session.ts';
import type { Shared } from './shared.ts';
import type { Predefined } from './topics.ts';

/**
 *     away        CONNECT: will-topic when there is to be a will, else proving
 *     will-topic  WILLTOPICREQ sent. WILLTOPIC: will-message, or proving when it is empty
 *     will-message  WILLMSGREQ sent. WILLMSG: proving
 *     proving     the hub thinks. welcome: greeting; refusal: CONNACK, away
 *     greeting    CONNACK waits until what it promises is kept: active
 *     active      messages pass. DISCONNECT with a duration: asleep
 *     asleep      deliveries wait. PINGREQ with the client id: awake; CONNECT: active
 *     awake       deliveries pass until none is left, then PINGRESP: asleep
 *
 * DISCONNECT, eviction and silence end every state: away [MQTTSN12-6.14, figure 4].
 */
type State = 'away' | 'will-topic' | 'will-message' | 'proving' | 'greeting' | 'active' | 'asleep' | 'awake';

/** Who is not known is told so at most this often, so that two that do not know each other do not talk for ever. */
const STRANGER_MS = 1_000;

/** What a client needs of the connection that it comes through. */
export interface ClientHost extends Line {
  readonly remote: string;
  readonly listener: string;
  readonly identity: WireIdentity;
  readonly loginMs: number;
  /** `tick` has something to do at `at`. */
  hurry(at: number): void;
  /** The client is away; `sent`: the hub sent it. */
  left(sent: boolean): void;
  /** A client that slept elsewhere continues here, in place of the one that was here. */
  adopt(sleeper: SnDevice): void;
  /** The client continues elsewhere. */
  vacate(): void;
}

/** What is the same for all clients of a listener. */
export interface Gateway {
  readonly hub: Hub;
  readonly options: SnOptions;
  readonly predefined: Predefined;
  readonly shared: Shared<SnDevice>;
}

export class SnDevice implements Line {
  private host: ClientHost;
  private readonly gateway: Gateway;
  private readonly hub: Hub;
  private state: State = 'away';
  private connect: Connect | undefined = undefined;
  /** What is known of the will before the login. */
  private willTopic: WillTopic | undefined = undefined;
  private will: Will | undefined = undefined;
  private visit: Visit | undefined = undefined;
  private session: Session | undefined = undefined;
  /** Nothing has come since CONNACK: another CONNECT says that it was lost. */
  private untouched = false;
  private heardAt: number;
  /** How long it may be silent now. */
  private silence = NEVER;
  /** When a question of ours is to be repeated, and how often it was. */
  private askAt = NEVER;
  private asked = 0;
  private loginBy = NEVER;
  private refusedAt = Number.NEGATIVE_INFINITY;

  constructor(host: ClientHost, gateway: Gateway, now: number) {
    this.host = host;
    this.gateway = gateway;
    this.hub = gateway.hub;
    this.heardAt = now;
  }

  // --- the line to it, which may change while it sleeps ---

  get codec() {
    return this.host.codec;
  }

  get maxBytes(): number {
    return this.host.maxBytes;
  }

  get full(): boolean {
    return this.host.full;
  }

  get proved(): boolean {
    return this.host.proved;
  }

  set proved(is: boolean) {
    this.host.proved = is;
  }

  send(datagram: Uint8Array): void {
    this.host.send(datagram);
  }

  private say(p: SnPacket): void {
    this.host.send(this.codec.encode(p));
  }

  get present(): boolean {
    return this.state !== 'away';
  }

  /** It continues at another address. */
  move(host: ClientHost): void {
    const before = this.host;
    this.host = host;
    before.vacate();
    this.arm();
  }

  // --- messages ---

  receive(p: SnPacket, now: number): void {
    this.heardAt = now;
    if (p.type === CONNECT) {
      this.connecting(p, now);
    } else if (p.type === PINGREQ) {
      this.pinged(p, now);
    } else if (p.type === DISCONNECT) {
      this.disconnected(p, now);
    } else if (p.type === WILLTOPIC) {
      if (this.state === 'will-topic') this.topicOfWill(p);
    } else if (p.type === WILLMSG) {
      this.messageOfWill(p.payload);
    } else if (this.session !== undefined && this.state !== 'greeting') {
      this.untouched = false;
      this.session.receive(p, now);
      this.settleDown();
    } else if (this.state === 'away' && expectsAnswer(p)) {
      this.unknown(now);
    }
    this.arm();
  }

  /** It speaks as if it were connected, and is not: it should connect [MQTTSN12-5.4.21]. */
  private unknown(now: number): void {
    if (now - this.refusedAt < STRANGER_MS) return;
    this.refusedAt = now;
    this.say({ type: DISCONNECT, duration: 0 });
  }

  // --- login ---

  private connecting(p: Connect, now: number): void {
    if (p.protocolId !== PROTOCOL_ID || p.clientId === '') {
      this.refuse(NOT_SUPPORTED);
      return;
    }
    const repeated = this.connect !== undefined && sameConnect(p, this.connect);
    switch (this.state) {
      case 'will-topic':
      case 'will-message':
        if (!repeated) break;
        this.ask();
        return;
      case 'proving':
      case 'greeting':
        if (repeated) return;
        break;
      case 'active':
        if (!repeated || !this.untouched) break;
        this.say({ type: CONNACK, code: ACCEPTED }); // the first one was lost
        return;
      case 'asleep':
      case 'awake':
        if (p.clientId !== this.connect!.clientId || p.clean || p.will) break;
        this.wakeFully(p, now);
        return;
      default:
    }
    // It is here, so its will is not due, whatever it was before.
    this.drop(true, now);
    this.connect = p;
    this.will = undefined;
    this.loginBy = now + this.host.loginMs;
    if (!p.will) {
      this.login();
      return;
    }
    this.state = 'will-topic';
    this.asked = 0;
    this.ask();
  }

  /** Asks for the next part of the will [MQTTSN12-6.2]. */
  private ask(): void {
    this.say({ type: this.state === 'will-topic' ? WILLTOPICREQ : WILLMSGREQ });
    this.askAt = this.hub.now() + this.gateway.options.retryMs;
  }

  private topicOfWill(p: WillTopic): void {
    if (p.topic === '') {
      this.login(); // it has none after all
      return;
    }
    if (!isTopicName(p.topic, this.hub.limits)) {
      this.refuse(NOT_SUPPORTED);
      return;
    }
    this.willTopic = p;
    this.state = 'will-message';
    this.asked = 0;
    this.ask();
  }

  private messageOfWill(payload: Uint8Array): void {
    if (this.state === 'active' && this.untouched) this.say({ type: CONNACK, code: ACCEPTED }); // the first one was lost
    if (this.state !== 'will-message') return;
    const { topic, qos, retain } = this.willTopic!;
    this.will = { topic, qos, retain, payload: payload.slice() };
    this.login();
  }

  private login(): void {
    const { host } = this;
    this.state = 'proving';
    this.askAt = NEVER;
    this.visit = new Visit(this, this.hub);
    this.hub.login(
      {
        protocol: 'mqttsn',
        family: 'mqtt',
        client: this.connect!.clientId,
        username: undefined,
        password: undefined,
        remote: host.remote,
        listener: host.listener,
        wire: host.identity,
      },
      this.visit,
    );
  }

  private refuse(code: number): void {
    this.say({ type: CONNACK, code });
    this.drop(true, this.hub.now());
    this.host.left(false);
  }

  /** @internal */
  refused(why: Outcome): void {
    this.hub.counters.of('mqttsn').refused++;
    this.refuse(RETURN_CODE[why]);
  }

  /** @internal */
  welcomed(access: Access): void {
    const { options, predefined, shared } = this.gateway;
    const connect = this.connect!;
    const session = new Session(
      this,
      this.hub,
      access,
      connect,
      this.will,
      options,
      predefined.of(connect.clientId),
      shared.wills,
      {
        evict: (why) => this.sendAway(why, false),
        hurry: (at) => this.host.hurry(at),
      },
    );
    this.session = session;
    this.state = 'greeting';
    session.answers.send({ type: CONNACK, code: ACCEPTED }, access.due, () => this.greeted());
  }

  private greeted(): void {
    const now = this.hub.now();
    this.state = 'active';
    this.untouched = true;
    this.heardAt = now;
    this.loginBy = NEVER;
    this.silence = silenceMs(this.connect!.duration);
    this.session!.outflow.start(now);
    this.arm();
  }

  /** @internal Everything up to `ticket` is kept. */
  kept(ticket: number): void {
    this.session?.answers.kept(ticket);
    this.settleDown();
  }

  // --- sleep ---

  private disconnected(p: Disconnect, now: number): void {
    if (p.duration > 0 && this.session !== undefined && this.state !== 'greeting') {
      this.session.outflow.stop();
      this.state = 'asleep';
      this.silence = silenceMs(p.duration);
      this.gateway.shared.sleepers.set(this.connect!.clientId, this);
      this.say({ type: DISCONNECT, duration: 0 });
      return;
    }
    if (this.state === 'away') {
      this.unknown(now); // the answer to an earlier one was lost
      return;
    }
    this.say({ type: DISCONNECT, duration: 0 });
    this.drop(true, now);
    this.host.left(false);
  }

  private pinged(p: PingRequest, now: number): void {
    const sleeping = this.state === 'asleep' || this.state === 'awake';
    if (sleeping && p.clientId === this.connect!.clientId) {
      this.wakeUp(now);
    } else if (this.state === 'active' || (sleeping && p.clientId === '')) {
      this.untouched = false;
      this.say({ type: PINGRESP });
    } else if (this.state === 'away') {
      const sleeper = this.sleeperOf(p.clientId);
      if (sleeper === undefined) {
        this.unknown(now);
        return;
      }
      this.host.adopt(sleeper);
      sleeper.receive(p, now);
    }
  }

  /** The client of that id that sleeps at another address, if this one may be it. */
  private sleeperOf(clientId: string): SnDevice | undefined {
    if (clientId === '' || !this.gateway.options.roaming) return undefined;
    const sleeper = this.gateway.shared.sleepers.get(clientId);
    return sleeper?.mayComeFrom(this.host) ? sleeper : undefined;
  }

  /** Who it is must be proven there as it was here. */
  private mayComeFrom(other: ClientHost): boolean {
    const { listener, identity } = this.host;
    return (
      listener === other.listener &&
      identity.pskIdentity === other.identity.pskIdentity &&
      identity.certificate?.fingerprint === other.identity.certificate?.fingerprint
    );
  }

  private wakeUp(now: number): void {
    this.state = 'awake';
    this.session!.outflow.resume(now);
    this.settleDown();
  }

  /** CONNECT of a sleeper continues its session [MQTTSN12-6.14]. */
  private wakeFully(p: Connect, now: number): void {
    this.connect = p;
    this.gateway.shared.sleepers.delete(p.clientId);
    this.state = 'active';
    this.untouched = true;
    this.silence = silenceMs(p.duration);
    this.say({ type: CONNACK, code: ACCEPTED });
    this.session!.outflow.resume(now);
  }

  /** An awake client that has everything goes to sleep again. */
  private settleDown(): void {
    if (this.state !== 'awake' || !this.session!.outflow.empty) return;
    this.say({ type: PINGRESP });
    this.fallAsleep();
  }

  private fallAsleep(): void {
    this.session!.outflow.stop();
    this.state = 'asleep';
  }

  // --- time and ends ---

  /** When `tick` has something to do, or NEVER. */
  get dueAt(): number {
    const silentUntil = this.session === undefined ? NEVER : this.heardAt + this.silence;
    return Math.min(silentUntil, this.askAt, this.loginBy, this.session?.dueAt ?? NEVER);
  }

  private arm(): void {
    const at = this.dueAt;
    if (at !== NEVER) this.host.hurry(at);
  }

  tick(now: number): void {
    if (this.loginBy <= now) {
      this.drop(true, now);
      this.host.left(false);
      return;
    }
    if (this.askAt <= now) this.askAgain(now);
    const { session } = this;
    if (session === undefined || this.state === 'greeting') return;
    if (now >= this.heardAt + this.silence) {
      this.lost(now);
    } else if (!session.outflow.tick(now)) {
      // A sleeper may have fallen asleep again; from anybody else an answer is owed.
      if (this.state === 'awake') this.fallAsleep();
      else this.lost(now);
    }
  }

  private askAgain(now: number): void {
    if (this.asked >= this.gateway.options.retries) {
      this.drop(true, now);
      this.host.left(false);
      return;
    }
    this.asked++;
    this.ask();
  }

  /** It is silent for too long: its will is due. */
  private lost(now: number): void {
    this.session?.access.blame('idle');
    this.say({ type: DISCONNECT, duration: 0 }); // in case that it is not gone
    this.drop(false, now);
    this.host.left(false);
  }

  /** @internal */
  evicted(why: Outcome): void {
    this.sendAway(why, true);
  }

  /** `known`: the hub ends it, and knows; else its messages overflowed. */
  private sendAway(why: Outcome, known: boolean): void {
    if (this.state === 'away') return;
    this.session?.access.blame(why);
    this.say({ type: DISCONNECT, duration: 0 });
    this.drop(known, this.hub.now(), !known);
    this.host.left(true);
  }

  /** The line has room again. */
  drained(): void {
    this.session?.outflow.refill();
    this.settleDown();
  }

  /** The connection is gone. */
  gone(now: number): void {
    this.drop(false, now);
  }

  /** Ends what there is; `leaving`: the hub does not know yet. */
  private drop(graceful: boolean, now: number, leaving = true): void {
    const { session, gateway } = this;
    if (this.connect !== undefined && gateway.shared.sleepers.get(this.connect.clientId) === this)
      gateway.shared.sleepers.delete(this.connect.clientId);
    this.state = 'away';
    this.session = undefined;
    this.visit?.withdraw();
    this.visit = undefined;
    this.silence = NEVER;
    this.askAt = NEVER;
    this.loginBy = NEVER;
    if (session === undefined) return;
    if (leaving) session.end(graceful, now);
    else session.outflow.stop();
  }
}

/** One attempt to log in; the client may start another one before it is answered. */
class Visit implements Guest {
  private client: SnDevice | undefined;
  private readonly hub: Hub;

  constructor(client: SnDevice, hub: Hub) {
    this.client = client;
    this.hub = hub;
  }

  withdraw(): void {
    this.client = undefined;
  }

  welcome(access: Access): void {
    if (this.client === undefined) access.leave(true, this.hub.now());
    else this.client.welcomed(access);
  }

  refuse(why: Outcome): void {
    this.client?.refused(why);
  }

  kept(ticket: number): void {
    this.client?.kept(ticket);
  }

  evict(why: Outcome): void {
    this.client?.evicted(why);
  }
}

function sameConnect(a: Connect, b: Connect): boolean {
  return a.clientId === b.clientId && a.duration === b.duration && a.clean === b.clean && a.will === b.will;
}

/** What a client says only when it believes to be connected. */
function expectsAnswer(p: SnPacket): boolean {
  switch (p.type) {
    case REGISTER:
    case PUBLISH:
    case PUBREL:
    case SUBSCRIBE:
    case UNSUBSCRIBE:
    case WILLTOPICUPD:
    case WILLMSGUPD:
      return true;
    default:
      return false;
  }
}
