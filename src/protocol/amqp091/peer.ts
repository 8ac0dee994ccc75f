// One AMQP 0-9-1 connection: its greeting and login, heartbeats, channels, backpressure and ends.

import type { Identity } from '../../contract/auth.ts';
import type { Access, Guest, Hub } from '../../contract/hub.ts';
import { type Message, NEVER, type Origin } from '../../contract/message.ts';
import { type Departure, type Outcome, ProtocolError } from '../../contract/outcome.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { AmqpChannel, type ChannelHost } from './channel.ts';
import { decodeMethod, Repetition } from './decode.ts';
import { HEARTBEAT_FRAME, sendContent, sendMethod } from './encode.ts';
import { type Exchanges, exchangesOf } from './exchanges.ts';
import { fieldOf, type Table, text } from './fields.ts';
import { FrameCutter } from './frames.ts';
import { CODE_OF, headerOf } from './map.ts';
import type { Amqp091Options } from './options.ts';
import {
  FRAME_MIN_SIZE,
  HEARTBEAT,
  METHOD,
  METHODS,
  type Method,
  type MethodName,
  type MethodOf,
  PROTOCOL_HEADER,
} from './packet.ts';
import {
  ACCESS_REFUSED,
  CHANNEL_ERROR,
  ChannelFault,
  COMMAND_INVALID,
  FRAME_ERROR,
  NOT_ALLOWED,
  RESOURCE_ERROR,
  replyText,
  UNEXPECTED_FRAME,
} from './reply.ts';
import { credentialsOf, mechanismsOn } from './sasl.ts';

/** How long the other side may take to answer connection.close. */
const CLOSE_MS = 5_000;
/** How long a client that was told close-ok may take to close the socket. */
const LINGER_MS = 1_000;
/** Reading stops while so many answers wait for the store, or so much is not read by the client. */
const WAITING_ANSWERS = 16_384;
const UNREAD_BYTES = 4 * 1_048_576;
/** How often a held-back publisher looks whether the memory is free again. */
const PRESSED_MS = 100;
/** Unfinished content and open transactions of one connection, in units of the largest body. */
const UNFINISHED = 4;

const CAPABILITIES: Table = [
  'publisher_confirms',
  'exchange_exchange_bindings',
  'basic.nack',
  'consumer_cancel_notify',
  'connection.blocked',
  'authentication_failure_close',
  'per_consumer_qos',
  'direct_reply_to',
].map((name) => [name, { type: 't', value: true }]);

const PRODUCT: Table = [
  ['product', text('Waymeet')],
  ['platform', text('Node.js')],
  ['capabilities', { type: 'F', value: CAPABILITIES }],
];

const octets = new TextEncoder();

type State = 'new' | 'started' | 'knocking' | 'tuning' | 'opening' | 'running' | 'closing' | 'lost';

/**
 * States: new —header→ started —start-ok→ knocking —welcome→ tuning —tune-ok→ opening —open→ running.
 * Any but new —fault, close→ closing —close-ok, time→ lost; knocking —refuse→ lost.
 */
export class Amqp091Peer implements Peer, Guest, ChannelHost {
  readonly hub: Hub;
  username: string | undefined = undefined;
  keptTicket = 0;
  hearsCancel = false;
  private readonly wire: Wire;
  private readonly options: Amqp091Options;
  private readonly frames: FrameCutter;
  readonly repetition = new Repetition();
  private readonly channels = new Map<number, AmqpChannel>();
  private readonly openedAt: number;
  private state: State = 'new';
  private member: Access | undefined = undefined;
  private who: Origin | undefined = undefined;
  private hearsBlocked = false;
  private hearsRefusal = false;
  private frameMax: number;
  private channelMax: number;
  private heartbeatMs = 0;
  private heardAt: number;
  private wrote = false;
  private choked = false;
  private blocked = false;
  private unfinished = 0;
  private closeBy = NEVER;
  private nextBeat = NEVER;

  constructor(wire: Wire, hub: Hub, options: Amqp091Options, now: number) {
    this.wire = wire;
    this.hub = hub;
    this.options = options;
    this.frameMax = options.frameMax;
    this.channelMax = options.channelMax;
    this.openedAt = now;
    this.heardAt = now;
    this.frames = new FrameCutter(options.frameMax, (type, channel, bytes, start, end) =>
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

  get exchanges(): Exchanges {
    return exchangesOf(this.hub);
  }

  get maxBodyBytes(): number {
    return this.wire.limits.maxPacketBytes;
  }

  get writable(): boolean {
    return !this.wire.full;
  }

  // --- in ---

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heardAt = now;
    let at = start;
    if (this.state === 'new') {
      if (end - start < PROTOCOL_HEADER.length) return start;
      at += PROTOCOL_HEADER.length;
      if (!PROTOCOL_HEADER.every((octet, i) => bytes[start + i] === octet)) {
        this.wire.write(PROTOCOL_HEADER); // what is spoken here [AMQP091-4.2.2]
        this.leave();
        return end;
      }
      this.greet();
    }
    at = this.frames.cut(bytes, at, end, () => this.reads);
    if (this.state === 'lost') return end;
    if (this.member !== undefined) {
      for (const channel of this.channels.values()) channel.publishing.flush();
      this.regulate();
    }
    return at;
  }

  /** Another frame may be taken. */
  private get reads(): boolean {
    return this.state !== 'lost' && this.state !== 'knocking' && this.wire.held !== true;
  }

  slow(ms: number): boolean {
    if (this.wire.hold === undefined) return false;
    this.heardAt = this.hub.now() + ms; // its silence is our doing until then
    this.wire.hold(ms);
    return true;
  }

  private greet(): void {
    this.state = 'started';
    this.write(0, {
      name: 'connection.start',
      versionMajor: 0,
      versionMinor: 9,
      serverProperties: PRODUCT,
      mechanisms: octets.encode(mechanismsOn(this.wire)),
      locales: octets.encode('en_US'),
    });
  }

  private frame(type: number, channel: number, bytes: Uint8Array, start: number, end: number): void {
    if (type === HEARTBEAT) {
      if (channel !== 0) throw new ProtocolError('AMQP091-4.2.7', 'a heartbeat on a channel', FRAME_ERROR);
      return;
    }
    if (this.state === 'closing') {
      if (type === METHOD && channel === 0) this.whileClosing(bytes, start, end);
      return;
    }
    let name: MethodName | undefined;
    try {
      if (type !== METHOD) {
        this.content(type, channel, bytes, start, end);
        return;
      }
      const method = this.repetition.method(bytes, start, end);
      name = method.name;
      if (channel === 0) this.perform(method);
      else this.onChannel(channel, method);
    } catch (why) {
      // Before the connection is open there is nobody to tell; afterwards it is closed in order, with the reason.
      if (!(why instanceof ProtocolError) || this.state !== 'running') throw why;
      this.member?.blame('protocol-error');
      this.close(why.code || FRAME_ERROR, why.message, name);
    }
  }

  private whileClosing(bytes: Uint8Array, start: number, end: number): void {
    const { name } = decodeMethod(bytes, start, end);
    if (name === 'connection.close') this.write(0, { name: 'connection.close-ok' });
    if (name === 'connection.close-ok') this.leave();
  }

  private content(type: number, number: number, bytes: Uint8Array, start: number, end: number): void {
    const channel = this.channels.get(number);
    if (this.state !== 'running' || channel === undefined)
      throw new ProtocolError('AMQP091-4.2.6', 'content where no channel is open', UNEXPECTED_FRAME);
    if (channel.state !== 'open') return;
    this.guard(channel, 'basic.publish', () => channel.contentFrame(type, bytes, start, end));
  }

  private onChannel(number: number, method: Method): void {
    if (this.state !== 'running')
      throw new ProtocolError('AMQP091-1.4', 'a channel before connection.open', COMMAND_INVALID);
    const channel = this.channels.get(number);
    if (method.name === 'channel.open') {
      if (channel !== undefined || number > this.channelMax)
        throw new ProtocolError('AMQP091-1.5.2.1', `channel ${number} cannot be opened`, CHANNEL_ERROR);
      this.channels.set(number, new AmqpChannel(this, number));
      this.write(number, { name: 'channel.open-ok' });
    } else if (method.name === 'channel.close') {
      if (channel === undefined) return;
      this.endChannel(channel);
      this.write(number, { name: 'channel.close-ok' });
    } else if (method.name === 'channel.close-ok') {
      if (channel?.state === 'closing') this.endChannel(channel);
    } else if (channel === undefined) {
      throw new ProtocolError('AMQP091-1.5', `channel ${number} is not open`, CHANNEL_ERROR);
    } else if (channel.state === 'open') this.guard(channel, method.name, () => channel.method(method));
  }

  /** A fault closes the channel alone: it says why, and is ignored until it agrees. */
  guard(channel: AmqpChannel, method: MethodName, work: () => void): void {
    try {
      work();
    } catch (why) {
      if (why instanceof ProtocolError && this.state === 'running') {
        this.member?.blame('protocol-error');
        this.close(why.code || FRAME_ERROR, why.message, method);
        return;
      }
      if (!(why instanceof ChannelFault)) throw why;
      const [classId, methodId] = METHODS[method].id;
      const { code: replyCode, message } = why;
      channel.publishing.flush();
      this.write(channel.number, {
        name: 'channel.close',
        replyCode,
        replyText: replyText(replyCode, message),
        classId,
        methodId,
      });
      channel.state = 'closing';
      channel.release();
    }
  }

  private endChannel(channel: AmqpChannel): void {
    if (channel.state === 'open') {
      channel.publishing.flush();
      channel.state = 'gone';
      channel.release();
    }
    channel.state = 'gone';
    this.channels.delete(channel.number);
  }

  // --- the connection's own methods ---

  private perform(method: Method): void {
    switch (method.name) {
      case 'connection.start-ok':
        if (this.state === 'started') {
          this.knock(method);
          return;
        }
        break;
      case 'connection.tune-ok':
        if (this.state === 'tuning') {
          this.tuned(method);
          return;
        }
        break;
      case 'connection.open':
        if (this.state === 'opening') {
          this.open(method.virtualHost);
          return;
        }
        break;
      case 'connection.close':
        this.goodbye();
        return;
      case 'connection.update-secret':
        if (this.state !== 'running') break;
        this.renew(method.newSecret);
        return;
      case 'connection.blocked':
      case 'connection.unblocked':
        if (this.state === 'running') return;
        break;
      default:
    }
    throw new ProtocolError('AMQP091-1.4', `${method.name} is not expected here`, COMMAND_INVALID);
  }

  private knock({ mechanism, response, clientProperties }: MethodOf<'connection.start-ok'>): void {
    const capabilities = fieldOf(clientProperties, 'capabilities');
    const can = (name: string): boolean =>
      capabilities?.type === 'F' && fieldOf(capabilities.value as Table, name)?.value === true;
    this.hearsCancel = can('consumer_cancel_notify');
    this.hearsBlocked = can('connection.blocked');
    this.hearsRefusal = can('authentication_failure_close');
    const credentials = credentialsOf(mechanism, response, this.wire);
    this.state = 'knocking';
    if (credentials === undefined) {
      this.refuse('bad-authentication-method');
      return;
    }
    this.username = credentials.username;
    this.wire.pause();
    const { remote, listener, identity } = this.wire;
    this.hub.login(
      { protocol: 'amqp091', client: '', ...credentials, remote, listener, wire: identity },
      this,
    );
  }

  /** A new token in place of one that runs out: RabbitMQ's extension. */
  private renew(password: Uint8Array): void {
    const { remote, listener, identity } = this.wire;
    const login = {
      protocol: 'amqp091',
      client: this.access.client,
      username: this.username,
      password: password.slice(),
    };
    const proved = (result: Identity | Outcome): void => {
      if (this.state !== 'running') return;
      const outcome = typeof result === 'string' ? result : this.access.renewed(result);
      if (outcome === 'ok') {
        this.write(0, { name: 'connection.update-secret-ok' });
        return;
      }
      this.member?.blame(outcome);
      this.close(NOT_ALLOWED, `new secret was refused: ${outcome}`, 'connection.update-secret');
    };
    this.hub.prove({ ...login, remote, listener, wire: identity }).then(proved, () => proved('unavailable'));
  }

  welcome(access: Access): void {
    if (this.state !== 'knocking') {
      access.leave(true, this.hub.now());
      return;
    }
    this.state = 'tuning';
    this.member = access;
    this.who = { protocol: 'amqp091', client: access.client, principal: access.identity.principal };
    this.exchanges.load(access);
    const { channelMax, frameMax, heartbeatSeconds: heartbeat } = this.options;
    this.write(0, { name: 'connection.tune', channelMax, frameMax, heartbeat });
    this.wire.resume();
  }

  refuse(why: Outcome): void {
    if (this.state === 'lost') return;
    if (this.hearsRefusal) {
      const [classId, methodId] = METHODS['connection.start-ok'].id;
      const replyCode = CODE_OF[why] || ACCESS_REFUSED;
      this.write(0, {
        name: 'connection.close',
        replyCode,
        replyText: replyText(replyCode, `login refused: ${why}`),
        classId,
        methodId,
      });
    }
    this.leave();
  }

  private tuned({ channelMax, frameMax, heartbeat }: MethodOf<'connection.tune-ok'>): void {
    const { options } = this;
    if (channelMax > options.channelMax || frameMax > options.frameMax)
      throw new ProtocolError(
        'AMQP091-1.4.2.6',
        'more channels or larger frames than were offered',
        NOT_ALLOWED,
      );
    if (frameMax !== 0 && frameMax < FRAME_MIN_SIZE)
      throw new ProtocolError('AMQP091-1.4.2.6', `frames of less than ${FRAME_MIN_SIZE} octets`, NOT_ALLOWED);
    this.frameMax = frameMax === 0 ? options.frameMax : frameMax;
    this.channelMax = channelMax === 0 ? options.channelMax : channelMax;
    this.frames.frameMax = this.frameMax;
    this.heartbeatMs = heartbeat * 1_000;
    this.state = 'opening';
  }

  private open(virtualHost: string): void {
    this.state = 'running';
    if (virtualHost !== '/')
      throw new ProtocolError(
        'AMQP091-1.4.2.7',
        `vhost '${virtualHost}' not found: there is '/'`,
        NOT_ALLOWED,
      );
    this.write(0, { name: 'connection.open-ok' });
    if (this.heartbeatMs > 0) this.nextBeat = this.hub.now() + this.heartbeatMs / 2;
    this.schedule();
  }

  // --- out ---

  write(channel: number, method: Method): void {
    this.wrote = true;
    sendMethod(this.wire, channel, method);
  }

  writeContent(channel: number, method: Method, m: Message): void {
    this.wrote = true;
    const header = headerOf(m, this.hub.now(), this.frameMax);
    sendContent(this.wire, channel, method, header, m.payload, this.frameMax);
  }

  weigh(bytes: number): void {
    this.unfinished += bytes;
    if (this.unfinished > UNFINISHED * this.maxBodyBytes)
      throw new ProtocolError('AMQP091-4.2.6', 'too much unfinished content', RESOURCE_ERROR);
  }

  kept(ticket: number): void {
    this.keptTicket = Math.max(this.keptTicket, ticket);
    if (this.state !== 'running') return;
    for (const channel of [...this.channels.values()]) channel.kept();
    this.regulate();
  }

  drained(): void {
    if (this.state !== 'running') return;
    for (const channel of [...this.channels.values()]) channel.pull();
    this.regulate();
  }

  /** Stops reading while the hub is short of memory, the store is slow, or the client does not read. */
  private regulate(): void {
    let waiting = 0;
    for (const channel of this.channels.values()) waiting += channel.waiting;
    const half = this.choked ? 2 : 1;
    const pressed = this.hub.pressed;
    const choked = pressed || waiting * half > WAITING_ANSWERS || this.wire.unsent * half > UNREAD_BYTES;
    if (pressed !== this.blocked) {
      this.blocked = pressed;
      if (this.hearsBlocked && this.state === 'running')
        this.write(
          0,
          pressed
            ? { name: 'connection.blocked', reason: 'low on memory' }
            : { name: 'connection.unblocked' },
        );
    }
    if (choked !== this.choked) {
      this.choked = choked;
      if (choked) this.wire.pause();
      else this.wire.resume();
    }
    this.schedule();
  }

  // --- time ---

  wake(now: number): void {
    if (this.state === 'lost') return;
    if (now >= this.closeBy) {
      this.leave();
      return;
    }
    if (this.state !== 'running' && this.state !== 'closing') {
      if (now >= this.openedAt + this.wire.limits.loginMs) this.leave();
      else this.schedule();
      return;
    }
    if (this.choked) {
      this.heardAt = now; // what it sends is not read
      this.regulate();
    }
    if (now >= this.nextBeat) this.beat(now);
    this.schedule();
  }

  /** A heartbeat leaves when nothing else did for half of its time; two silent times end the connection. [AMQP091-4.2.7] */
  private beat(now: number): void {
    if (now - this.heardAt >= 2 * this.heartbeatMs) {
      this.member?.blame('idle');
      this.leave();
      return;
    }
    if (!this.wrote) this.wire.write(HEARTBEAT_FRAME);
    this.wrote = false;
    this.nextBeat = now + this.heartbeatMs / 2;
  }

  private schedule(): void {
    if (this.state === 'lost') return;
    const early = this.state !== 'running' && this.state !== 'closing';
    const login = early ? this.openedAt + this.wire.limits.loginMs : NEVER;
    const pressed = this.blocked ? this.hub.now() + PRESSED_MS : NEVER;
    const at = Math.min(login, this.closeBy, this.nextBeat, pressed);
    this.wire.wake(at);
  }

  // --- endings ---

  /** Closes in order: says why and waits for close-ok. */
  private close(replyCode: number, why: string, method: MethodName | undefined): void {
    if (this.state === 'lost' || this.state === 'closing') return;
    this.releaseAll();
    this.sayClose(replyCode, why, method);
    this.awaitEnd(CLOSE_MS);
  }

  private sayClose(replyCode: number, why: string, method: MethodName | undefined): void {
    const [classId, methodId] = method === undefined ? [0, 0] : METHODS[method].id;
    const text = replyText(replyCode, why);
    this.write(0, { name: 'connection.close', replyCode, replyText: text, classId, methodId });
  }

  /** It is the client that closes the socket, once it has read close-ok; it may say close more than once. [AMQP091-1.4.2.10] */
  private goodbye(): void {
    this.releaseAll();
    this.member?.leave(true, this.hub.now());
    this.member = undefined;
    this.write(0, { name: 'connection.close-ok' });
    this.awaitEnd(LINGER_MS);
  }

  private awaitEnd(ms: number): void {
    this.state = 'closing';
    if (this.choked) {
      this.choked = false;
      this.wire.resume();
    }
    this.nextBeat = NEVER;
    this.closeBy = this.hub.now() + ms;
    this.schedule();
  }

  private releaseAll(): void {
    for (const channel of this.channels.values()) {
      if (channel.state === 'open') channel.publishing.flush();
      channel.state = 'gone';
      channel.release();
    }
    this.channels.clear();
  }

  /** Sends what was written, and ends. */
  private leave(): void {
    this.state = 'lost';
    this.wire.end();
  }

  evict(why: Outcome): void {
    if (this.state === 'lost' || this.state === 'closing') return;
    this.member?.blame(why);
    const code = CODE_OF[why];
    if (this.state === 'running') this.close(code, why, undefined);
    else this.leave();
  }

  broken(why: Error): void {
    if (this.state === 'new' || this.state === 'closing' || this.state === 'lost') return;
    this.member?.blame('protocol-error');
    const replyCode = why instanceof ProtocolError && why.code > 0 ? why.code : FRAME_ERROR;
    this.sayClose(replyCode, why.message, undefined);
  }

  blamed(why: Departure): void {
    this.member?.blame(why);
  }

  lost(now: number): void {
    this.state = 'lost';
    this.releaseAll();
    this.member?.leave(false, now);
  }
}
