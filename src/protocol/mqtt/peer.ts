// One MQTT connection, from its first octet to its end.

import type { ExchangeStep, Login } from '../../contract/auth.ts';
import type { Access, Guest, Hub } from '../../contract/hub.ts';
import { NEVER } from '../../contract/message.ts';
import { type Departure, type Outcome, ProtocolError } from '../../contract/outcome.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { CONTINUE_AUTHENTICATION, Proof, REAUTHENTICATE } from './auth.ts';
import {
  announcedLevel,
  encodeConnackCode,
  encodeRefusal,
  encodeWelcome,
  loginOf,
  mailboxOptionsOf,
  markPresent,
  objectionTo,
  type Terms,
  termsOf,
} from './connect.ts';

import { decodePacket, frameEnd } from './decode.ts';
import { lanesOf } from './lane.ts';
import { GATHER_BYTES, LargePacket } from './large.ts';
import { messageOfWill } from './map.ts';
import type { MqttOptions } from './options.ts';
import { AUTH, type Auth, type Connect, DISCONNECT, type Level } from './packet.ts';
import { Session, type SessionHost } from './session.ts';

/**
 *     fresh      CONNECT arrives: proving, or refused and ended; anything else breaks the protocol
 *     proving    the hub or an exchange thinks; what arrives is held. welcome: greeting. challenge: asked. refusal: ended
 *     asked      a challenge is with the client. AUTH: proving. DISCONNECT: ended
 *     greeting   CONNACK waits until the session that it promises is kept; what arrives is held. kept: online
 *     online     packets pass. DISCONNECT, eviction, silence: ended
 *     ended      the goodbye is said, if there is one; nothing is read any more
 *
 * A broken protocol and a lost wire end every state.
 */
type State = 'fresh' | 'proving' | 'asked' | 'greeting' | 'online' | 'ended';

/** Before its login a client has no packet larger than this to send. */
const LOGIN_PACKET_BYTES = 524_288;
/** So many answers may wait for the store before a client is not read any further: at 30 ms a commit, half a million a second. */
const WAITING_ANSWERS = 16_384;
/** So many octets may wait for a client that publishes. Deliveries stop long before, so these are the answers that it does not read. */
const UNREAD_BYTES = 4_194_304;
/** The version that decides the words of an answer before a CONNECT told it. */
const NO_LEVEL = -1;

export class MqttPeer implements Peer, Guest, SessionHost {
  private readonly wire: Wire;
  private readonly hub: Hub;
  private readonly options: MqttOptions;
  private state: State = 'fresh';
  private heardAt: number;
  /** What CONNECT announced; NO_LEVEL before it, and when it was not MQTT. */
  private announced = NO_LEVEL;
  /** Kept until CONNACK is written. */
  private connect: Connect | undefined = undefined;
  private login: Login | undefined = undefined;
  private proof: Proof | undefined = undefined;
  /** The last word of the exchange that let the client in. */
  private lastWord: Uint8Array | undefined = undefined;
  private terms: Terms | undefined = undefined;
  private access: Access | undefined = undefined;
  private session: Session | undefined = undefined;
  private large: LargePacket | undefined = undefined;
  /** Nothing is read until the client, or the store, has caught up. */
  private choked = false;
  /** What arrived while it could not be read. */
  private early: Uint8Array | undefined = undefined;

  constructor(wire: Wire, hub: Hub, options: MqttOptions, now: number) {
    this.wire = wire;
    this.hub = hub;
    this.options = options;
    this.heardAt = now;
    wire.wake(now + wire.limits.loginMs);
  }

  // --- octets ---

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heardAt = now;
    if (this.early === undefined) return this.consume(bytes, start, end, now, true);
    const held = this.early;
    const joined = new Uint8Array(held.length + end - start);
    joined.set(held);
    joined.set(bytes.subarray(start, end), held.length);
    this.early = undefined;
    const consumed = this.consume(joined, 0, joined.length, now);
    if (consumed < joined.length) this.early = joined.subarray(consumed);
    return end;
  }

  /** Reads whole packets and returns the offset behind the last. `again`: what is left comes again by itself, once the wire is not held. */
  private consume(bytes: Uint8Array, start: number, end: number, now: number, again = false): number {
    let at = start;
    while (at < end) {
      if (this.state === 'ended') return end;
      if (this.state === 'proving' || this.state === 'greeting') return this.hold(bytes, at, end);
      if (this.large !== undefined) {
        at = this.gather(bytes, at, end, now);
        continue;
      }
      if (this.session !== undefined) {
        at = this.session.inflow.read(bytes, at, end, now);
        if (at === end) break;
        if (this.ended) return end; // what it published evicted it
      } else if (this.state === 'fresh' && bytes[at]! >> 4 !== 1) {
        throw new ProtocolError('MQTT5-3.1.0-1', 'the first packet is not CONNECT', 0x82);
      }
      const stop = frameEnd(bytes, at, end, this.level);
      if (stop < 0) break;
      this.checkSize(stop - at);
      if (stop > end) {
        if (stop - at <= GATHER_BYTES) break;
        this.large = new LargePacket(stop - at, lanesOf(this.hub), this.hub.limits.memoryBytes);
        continue;
      }
      this.packet(bytes, at, stop, now, false);
      at = stop;
      if (again && this.wire.held === true) break; // it publishes too fast
    }
    if (this.state === 'online') {
      this.session!.outflow.refill();
      this.regulate();
    }
    return at;
  }

  /** Asked again where TypeScript believes to know the state. */
  private get ended(): boolean {
    return this.state === 'ended';
  }

  /** Stops reading while too much is owed to the client, be it that the store is slow or that the client does not read its answers. */
  private regulate(): void {
    const { wire } = this;
    const waiting = this.session!.answers.size;
    if (!this.choked) {
      if (waiting < WAITING_ANSWERS && wire.unsent < UNREAD_BYTES) return;
      this.choked = true;
      wire.pause();
    } else if (waiting <= WAITING_ANSWERS / 2 && wire.unsent <= UNREAD_BYTES / 2) {
      this.choked = false;
      wire.resume();
    }
  }

  private get level(): Level {
    return this.announced === 3 || this.announced === 4 ? this.announced : 5;
  }

  private checkSize(bytes: number): void {
    const own = this.wire.limits.maxPacketBytes;
    const limit = this.session === undefined ? Math.min(own, LOGIN_PACKET_BYTES) : own;
    if (bytes > limit)
      throw new ProtocolError('MQTT5-3.2.2-15', `a packet of ${bytes} octets, ${limit} are allowed`, 0x95);
  }

  private gather(bytes: Uint8Array, start: number, end: number, now: number): number {
    const large = this.large!;
    const at = large.fill(bytes, start, end);
    if (large.complete) {
      this.large = undefined;
      large.close();
      this.packet(large.bytes, 0, large.bytes.length, now, true);
    }
    return at;
  }

  /** Keeps what cannot be read yet; nothing more comes until it was. */
  private hold(bytes: Uint8Array, start: number, end: number): number {
    this.early = bytes.slice(start, end);
    this.wire.pause();
    return end;
  }

  /** Reads what was held, outside of `receive`. */
  private readHeld(now: number): void {
    const held = this.early;
    this.wire.resume();
    if (held === undefined) return;
    this.early = undefined;
    try {
      const consumed = this.consume(held, 0, held.length, now);
      if (consumed < held.length) this.early = held.subarray(consumed);
    } catch (why) {
      if (!(why instanceof ProtocolError)) throw why;
      this.broken(why, now);
      this.wire.end();
    }
  }

  private packet(bytes: Uint8Array, start: number, end: number, now: number, owned: boolean): void {
    if (this.session !== undefined) {
      this.session.receive(decodePacket(bytes, start, end, this.level, 'client'), now, owned);
      return;
    }
    if (this.state === 'fresh') {
      this.announced = announcedLevel(bytes, start, end);
      // A copy, because the login keeps views of it for as long as it takes.
      const frame = owned ? bytes : bytes.slice(start, end);
      this.opened(decodePacket(frame, 0, frame.length, 5, 'client') as Connect, now);
      return;
    }
    const p = decodePacket(bytes, start, end, this.level, 'client');
    if (p.type === AUTH) this.answered(p);
    else if (p.type === DISCONNECT) this.end();
    else throw new ProtocolError('MQTT5-3.1.2-30', 'only AUTH and DISCONNECT may come before CONNACK', 0x82);
  }

  // --- login ---

  private opened(c: Connect, now: number): void {
    this.connect = c;
    this.heardAt = now;
    const objection = objectionTo(c, this.hub.limits, this.options);
    if (objection !== 'ok') {
      this.refuse(objection);
      return;
    }
    this.login = loginOf(c, this.wire);
    this.state = 'proving';
    const method = c.properties.authenticationMethod;
    if (method === undefined) {
      this.hub.login(this.login, this);
      return;
    }
    const exchange = this.hub.exchange(method, this.login);
    if (exchange === undefined) {
      this.refuse('bad-authentication-method'); // [MQTT5-4.12.0-1]
      return;
    }
    this.proof = new Proof(method, (step) => this.proved(step));
    this.proof.begin(exchange, c.properties.authenticationData);
  }

  /** AUTH between CONNECT and CONNACK. */
  private answered(p: Auth): void {
    this.state = 'proving';
    this.proof!.next(p);
  }

  /** The engine answered a step of the exchange. */
  private proved(step: ExchangeStep): void {
    if (this.state === 'online') {
      this.renewed(step);
      return;
    }
    if (this.state !== 'proving') return;
    switch (step.kind) {
      case 'challenge':
        this.state = 'asked';
        this.wire.write(this.proof!.encode(CONTINUE_AUTHENTICATION, step.reply)); // [MQTT5-4.12.0-2]
        this.readHeld(this.hub.now());
        return;
      case 'done':
        this.lastWord = step.reply;
        this.hub.admit(this.login!, step.identity, this);
        return;
      case 'refused':
        this.refuse(step.why);
    }
  }

  refuse(why: Outcome): void {
    if (this.state === 'ended') return;
    this.hub.counters.of('mqtt').refused++;
    this.wire.write(encodeRefusal(this.connect!, why, this.options)); // [MQTT5-3.2.2-7]
    this.end();
  }

  welcome(access: Access): void {
    if (this.state !== 'proving') {
      access.leave(true, this.hub.now()); // it did not wait
      return;
    }
    const { hub, wire, options } = this;
    const c = this.connect!;
    const now = hub.now();
    const terms = termsOf(c, hub.limits, options);
    const greeting = encodeWelcome(c, terms, access.client, hub.limits, wire.limits, options, this.lastWord);
    if (greeting.length > terms.maxPacketBytes) {
      access.leave(true, now); // a client that cannot be greeted cannot be served [MQTT5-3.1.2-24]
      this.refuse('too-large');
      return;
    }
    const origin = { protocol: 'mqtt', client: access.client, principal: access.identity.principal };
    const box = access.mailbox(access.client, mailboxOptionsOf(terms, hub.limits));
    if (c.will !== undefined) {
      const delaySeconds = c.will.properties.willDelayInterval ?? 0;
      access.will(messageOfWill(c.will, origin, now), delaySeconds * 1000);
    }
    this.access = access;
    this.terms = terms;
    this.session = new Session(wire, hub, access, box, terms, options, origin, this);
    this.state = 'greeting';
    // [MQTT5-3.2.2-2,3] [MQTT311-3.2.2-1,2,3]; 3.1 has no such flag: the octet is reserved there.
    if (box.resumed && !terms.clean && c.level !== 3) markPresent(greeting);
    this.connect = undefined;
    this.lastWord = undefined;
    if (this.proof === undefined) this.login = undefined;
    this.session.answers.frame(greeting, access.due, () => this.greeted());
  }

  /** CONNACK left. */
  private greeted(): void {
    const now = this.hub.now();
    this.state = 'online';
    this.heardAt = now;
    this.wire.wake(this.terms!.silenceMs === NEVER ? NEVER : now + this.terms!.silenceMs);
    this.session!.outflow.start();
    this.readHeld(now);
  }

  // --- renewing the proof ---

  authenticated(p: Auth): void {
    const { proof } = this;
    if (proof === undefined)
      throw new ProtocolError('MQTT5-4.12.1-1', 'CONNECT named no authentication method', 0x82);
    if (p.code !== REAUTHENTICATE || proof.active) {
      proof.next(p);
      return;
    }
    proof.checkMethod(p); // [MQTT5-4.12.1-1]
    const exchange = this.hub.exchange(proof.method, this.login!);
    if (exchange === undefined) {
      this.leaveWith('bad-authentication-method');
      return;
    }
    proof.begin(exchange, p.properties.authenticationData);
  }

  private renewed(step: ExchangeStep): void {
    switch (step.kind) {
      case 'challenge':
        this.wire.write(this.proof!.encode(CONTINUE_AUTHENTICATION, step.reply));
        return;
      case 'done': {
        const outcome = this.access!.renewed(step.identity);
        if (outcome !== 'ok') {
          this.leaveWith(outcome);
          return;
        }
        this.wire.write(this.proof!.encode(0, step.reply));
        return;
      }
      case 'refused':
        this.leaveWith(step.why); // [MQTT5-4.12.1-2]
    }
  }

  // --- the hub's other calls ---

  kept(ticket: number): void {
    if (this.state === 'ended') return; // nobody hears it; above all, CONNACK must not make this the consumer any more
    this.session?.answers.kept(ticket);
    if (this.state === 'online') this.regulate();
  }

  slow(ms: number): boolean {
    if (this.wire.hold === undefined) return false;
    this.heardAt = this.hub.now() + ms; // its silence is our doing until then
    this.wire.hold(ms);
    return true;
  }

  evict(why: Outcome): void {
    if (this.state === 'ended') return;
    if (this.state === 'online') this.session!.sayWhy(why, this.options.serverReference);
    this.end();
  }

  // --- time and ends ---

  drained(_now: number): void {
    if (this.state !== 'online') return;
    this.session!.outflow.refill();
    this.regulate();
  }

  wake(now: number): void {
    if (this.state === 'ended') return;
    if (this.state !== 'online') {
      this.end(); // no login within the time for it
      return;
    }
    const { silenceMs } = this.terms!;
    // While this side waits for its store, silence is its own.
    const since = this.choked && this.session!.answers.size > 0 ? now : this.heardAt;
    if (now < since + silenceMs) {
      this.wire.wake(since + silenceMs);
      return;
    }
    this.leaveWith('idle'); // [MQTT5-3.1.2-22] [MQTT311-3.1.2-24]
  }

  /** This side ends the connection, and the will is sent. */
  private leaveWith(why: Outcome): void {
    this.session!.sayWhy(why, this.options.serverReference);
    this.access?.blame(why);
    this.left(false, this.hub.now());
  }

  left(graceful: boolean, now: number): void {
    this.access?.leave(graceful, now);
    this.end();
  }

  private end(): void {
    this.state = 'ended';
    this.session?.stop();
    this.proof?.abandon();
    this.early = undefined;
    this.dropLarge();
    this.wire.wake(NEVER);
    this.wire.end();
  }

  /** What was announced and never came no longer counts. */
  private dropLarge(): void {
    this.large?.close();
    this.large = undefined;
  }

  broken(why: Error, _now: number): void {
    if (this.state === 'ended') return;
    this.access?.blame('protocol-error');
    const code = why instanceof ProtocolError ? why.code || 0x82 : 0x80;
    if (this.state === 'online') this.session!.goodbye(code, why instanceof ProtocolError ? why.message : '');
    else this.refuseBroken(code);
    this.state = 'ended';
    this.session?.stop();
    this.proof?.abandon();
  }

  /** A CONNECT that cannot be taken is answered in the words of the version that it announces, if these have any. */
  private refuseBroken(code: number): void {
    const { announced } = this;
    if (announced === NO_LEVEL) return;
    if (announced >= 5) this.wire.write(encodeConnackCode(5, code));
    else if (code === 0x84) this.wire.write(encodeConnackCode(4, 0x01)); // [MQTT311-3.1.2-2]
  }

  blamed(why: Departure): void {
    this.access?.blame(why);
  }

  lost(now: number): void {
    this.state = 'ended';
    this.dropLarge();
    this.session?.stop();
    this.proof?.abandon();
    this.access?.leave(false, now);
  }
}
