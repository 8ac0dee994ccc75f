// The client's side of AMQP 0-9-1: one connection, from the protocol header to its goodbye, and the frames of its channels.

import { joined } from '../../bytes/joined.ts';
import { type Message, NEVER, type Origin, type Qos } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import type {
  Answer,
  Delivery,
  Refusal,
  Speaker,
  SpeakerEvents,
  SpeakerOptions,
  Speech,
} from '../../contract/speaker.ts';
import type { Wire } from '../../contract/wire.ts';
import type { ClientChannel, ClientHost, Content } from './client-channels.ts';
import { PublishChannel } from './client-publishing.ts';
import { keptQueue, SubscriptionChannel } from './client-subscription.ts';
import {
  ABILITY,
  CLOSED,
  ELSEWHERE,
  inOurWords,
  LOST,
  loginOf,
  refusalOf,
  virtualHostOf,
} from './client-terms.ts';
import { decodeMethod, Repetition } from './decode.ts';
import { HEARTBEAT_FRAME, sendContent, sendMethod } from './encode.ts';
import { fieldOf, type Table, text, textOf } from './fields.ts';
import { FrameCutter } from './frames.ts';
import { headerOf, messageOf } from './map.ts';
import {
  type BasicProperties,
  BODY,
  type ContentHeader,
  FRAME_MIN_SIZE,
  HEADER,
  HEARTBEAT,
  METHOD,
  type Method,
  type MethodOf,
  PROTOCOL_HEADER,
} from './packet.ts';
import {
  ACCESS_REFUSED,
  CHANNEL_ERROR,
  ChannelFault,
  CONTENT_TOO_LARGE,
  SYNTAX_ERROR,
  UNEXPECTED_FRAME,
} from './reply.ts';

export const amqp091Speech: Speech = {
  name: 'amqp091',
  carrier: 'stream',
  ability: ABILITY,
  open: (wire, options, events) => new Amqp091Speaker(wire, options, events),
};

const FRAME_MAX = 131_072;
const CHANNEL_MAX = 65_535;
const PLAIN_CHANNEL = 1;
const CONFIRM_CHANNEL = 2;
const FIRST_SUBSCRIPTION = 3;
const REPLY_SUCCESS = 200;

const CAPABILITIES: Table = [
  'publisher_confirms',
  'basic.nack',
  'consumer_cancel_notify',
  'connection.blocked',
  'authentication_failure_close',
].map((name) => [name, { type: 't', value: true }]);

/** Content that is arriving on a channel. */
interface Arriving {
  readonly method: Content;
  header: ContentHeader | undefined;
  readonly parts: Uint8Array[];
  received: number;
}

/**
 *     greeting  the protocol header is sent. start: start-ok, login
 *     login     tune: tune-ok and open, opening; close: ended
 *     opening   open-ok: the channels for publishing, open
 *     open      frames pass. close(): closing; close, silence: ended
 *     closing   close is sent. close-ok, or the end of the wire: ended
 */
class Amqp091Speaker implements Speaker, ClientHost {
  readonly options: SpeakerOptions;
  private readonly wire: Wire;
  private readonly events: SpeakerEvents;
  private readonly frames: FrameCutter;
  private readonly repetition = new Repetition();
  private readonly origin: Origin = { protocol: 'amqp091', client: '', principal: '' };
  private state: 'greeting' | 'login' | 'opening' | 'open' | 'closing' | 'ended' = 'greeting';
  private early: (() => void)[] = [];
  private readonly channels = new Map<number, ClientChannel>();
  private readonly subscriptions = new Map<string, SubscriptionChannel>();
  private readonly arriving = new Map<number, Arriving>();
  private plain: PublishChannel | undefined = undefined;
  private confirmed: PublishChannel | undefined = undefined;
  /** Filters whose earlier session was forgotten already. */
  private readonly forgotten = new Set<string>();
  private readonly deliveries = new Map<number, { readonly by: ClientChannel; readonly tag: number }>();
  private nextDelivery = 0;
  private serverProperties: Table = [];
  private blocked = false;
  private frameMax = FRAME_MAX;
  private channelMax = CHANNEL_MAX;
  private beatMs = 0;
  private heardAt: number;

  constructor(wire: Wire, options: SpeakerOptions, events: SpeakerEvents) {
    this.wire = wire;
    this.options = options;
    this.events = events;
    this.heardAt = options.now();
    this.frames = new FrameCutter(FRAME_MAX, (type, channel, bytes, start, end) =>
      this.frame(type, channel, bytes, start, end),
    );
    wire.write(PROTOCOL_HEADER);
  }

  // --- what the caller asks ---

  get room(): number {
    if (this.state !== 'open' || this.blocked || this.wire.full) return 0;
    return Math.min(this.plain!.room, this.confirmed!.room);
  }

  publish(m: Message, answer: Answer): void {
    if (this.waits(() => this.publish(m, answer), answer)) return;
    (m.qos === 0 ? this.plain! : this.confirmed!).publish(m, answer);
  }

  subscribe(filter: string, qos: Qos, answer: (granted: Qos | Refusal) => void): void {
    if (this.waits(() => this.subscribe(filter, qos, answer), answer)) return;
    const kept = keptQueue(this, filter);
    const refusal = SubscriptionChannel.refusal(filter, kept);
    if (refusal !== undefined) {
      answer(refusal);
      return;
    }
    const known = this.subscriptions.get(filter);
    // Subscribing again is with other terms: it consumes anew.
    if (known === undefined) this.start(filter, qos, answer);
    else
      this.leave(known, kept === undefined, (why) => {
        if (why === undefined) this.start(filter, qos, answer);
        else answer(why);
      });
  }

  private start(filter: string, qos: Qos, answer: (granted: Qos | Refusal) => void): void {
    const number = this.freeNumber();
    if (number === undefined) {
      answer({ outcome: 'quota-exceeded', reason: 'the server offers no more channels', code: 0 });
      return;
    }
    const fresh = this.options.clean && !this.forgotten.has(filter);
    this.forgotten.add(filter);
    const granted: Qos = qos > 0 ? 1 : 0;
    const channel = new SubscriptionChannel(this, number, filter, granted, fresh, answer);
    this.channels.set(number, channel);
    this.subscriptions.set(filter, channel);
    channel.start();
  }

  private freeNumber(): number | undefined {
    for (let number = FIRST_SUBSCRIPTION; number <= this.channelMax; number++)
      if (!this.channels.has(number)) return number;
    return undefined;
  }

  unsubscribe(filter: string, answer: Answer): void {
    if (this.waits(() => this.unsubscribe(filter, answer), answer)) return;
    const channel = this.subscriptions.get(filter);
    if (channel !== undefined) this.leave(channel, true, answer);
    else answer({ outcome: 'no-subscription', reason: `there is no subscription to '${filter}'`, code: 0 });
  }

  private leave(channel: SubscriptionChannel, forget: boolean, answer: Answer): void {
    this.subscriptions.delete(channel.filter);
    channel.leave(forget, answer);
  }

  settle(id: number, outcome: Outcome): void {
    const delivery = this.deliveries.get(id);
    if (delivery === undefined || this.state !== 'open') return;
    this.deliveries.delete(id);
    const taken = outcome === 'ok' || outcome === 'unmatched';
    delivery.by.settle(delivery.tag, taken ? 'take' : outcome === 'busy' ? 'return' : 'refuse');
  }

  close(): void {
    if (this.state === 'closing' || this.state === 'ended') return;
    const open = this.state === 'open';
    this.state = 'closing';
    this.refuseAll(CLOSED);
    if (open) this.sayClose(REPLY_SUCCESS, 'goodbye');
    else this.wire.end();
  }

  private sayClose(replyCode: number, replyText: string): void {
    this.write(0, { name: 'connection.close', replyCode, replyText, classId: 0, methodId: 0 });
  }

  private waits(call: () => void, answer: (why: Refusal) => void): boolean {
    if (this.state === 'open') return false;
    if (this.state === 'closing' || this.state === 'ended') answer(CLOSED);
    else this.early.push(call);
    return true;
  }

  // --- what the channels ask ---

  write(channel: number, method: Method): void {
    sendMethod(this.wire, channel, method);
  }

  writeContent(channel: number, method: Method, m: Message): void {
    const header = headerOf(m, this.options.now(), this.frameMax);
    sendContent(this.wire, channel, method, header, m.payload, this.frameMax);
  }

  messageOf(topic: string, p: BasicProperties, body: Uint8Array, acknowledged: boolean): Message {
    const qos = acknowledged && p.deliveryMode === 2 ? 1 : 0;
    try {
      return inOurWords(messageOf(topic, p, body, qos, this.origin, this.options.now()));
    } catch (why) {
      if (why instanceof ChannelFault) throw new ProtocolError('AMQP091-1.8', why.message, SYNTAX_ERROR);
      throw why;
    }
  }

  delivered(d: Delivery): void {
    this.events.delivered(d);
  }

  unsettled(by: ClientChannel, tag: number): number {
    const id = ++this.nextDelivery;
    this.deliveries.set(id, { by, tag });
    return id;
  }

  gone(channel: ClientChannel): void {
    this.channels.delete(channel.number);
    this.arriving.delete(channel.number);
    for (const [id, { by }] of this.deliveries) if (by === channel) this.deliveries.delete(id);
    for (const [filter, one] of this.subscriptions) if (one === channel) this.subscriptions.delete(filter);
  }

  fail(why: Refusal): void {
    this.sayClose(REPLY_SUCCESS, 'goodbye');
    this.end(why);
    this.wire.end();
  }

  // --- the wire ---

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heardAt = now;
    // Who speaks another version says which, and closes. [AMQP091-4.2.2]
    if (this.state === 'greeting' && end > start && bytes[start] === PROTOCOL_HEADER[0])
      throw new ProtocolError('AMQP091-4.2.2', 'the server speaks another version of AMQP');
    const at = this.frames.cut(bytes, start, end, () => this.state !== 'ended');
    return this.state === 'ended' ? end : at;
  }

  private frame(type: number, number: number, bytes: Uint8Array, start: number, end: number): void {
    if (type === HEARTBEAT) return;
    if (type === METHOD) {
      const method = decodeMethod(bytes, start, end);
      if (number === 0) this.perform(method);
      else if (this.state === 'open') this.onChannel(number, method);
      return;
    }
    if (this.state !== 'open') return;
    const content = this.arriving.get(number);
    if (content === undefined)
      throw new ProtocolError('AMQP091-4.2.6', 'content without a method', UNEXPECTED_FRAME);
    if (type === HEADER) this.header(content, bytes, start, end);
    else if (type === BODY) this.body(content, bytes, start, end);
    if (content.header === undefined || content.received < content.header.bodySize) return;
    this.arriving.delete(number);
    const whole = joined(content.parts);
    this.channels.get(number)?.content(content.method, content.header.properties, whole);
  }

  private header(content: Arriving, bytes: Uint8Array, start: number, end: number): void {
    if (content.header !== undefined)
      throw new ProtocolError('AMQP091-4.2.6', 'two content headers', UNEXPECTED_FRAME);
    content.header = this.repetition.contentHeader(bytes, start, end);
    const { maxPacketBytes } = this.wire.limits;
    if (content.header.bodySize > maxPacketBytes)
      throw new ProtocolError(
        'AMQP091-1.8.3.9',
        `a message of ${content.header.bodySize} octets, ${maxPacketBytes} are allowed`,
        CONTENT_TOO_LARGE,
      );
  }

  private body(content: Arriving, bytes: Uint8Array, start: number, end: number): void {
    const { header } = content;
    if (header === undefined)
      throw new ProtocolError('AMQP091-4.2.6', 'a body without its header', UNEXPECTED_FRAME);
    content.received += end - start;
    if (content.received > header.bodySize)
      throw new ProtocolError('AMQP091-4.2.6.3', 'the body is longer than its header says', CHANNEL_ERROR);
    if (end > start) content.parts.push(bytes.slice(start, end));
  }

  private onChannel(number: number, method: Method): void {
    const channel = this.channels.get(number);
    if (this.arriving.has(number) && method.name !== 'channel.close')
      throw new ProtocolError('AMQP091-4.2.6', `${method.name} instead of content`, UNEXPECTED_FRAME);
    this.arriving.delete(number);
    if (channel === undefined) return;
    if (method.name === 'basic.deliver' || method.name === 'basic.return')
      this.arriving.set(number, { method, header: undefined, parts: [], received: 0 });
    else channel.heard(method);
  }

  private perform(method: Method): void {
    switch (method.name) {
      case 'connection.start':
        if (this.state === 'greeting') this.login(method);
        return;
      case 'connection.secure':
        this.fail({
          outcome: 'not-supported',
          reason: 'the server challenges, and PLAIN has no answer',
          code: 0,
        });
        return;
      case 'connection.tune':
        if (this.state === 'login') this.tune(method);
        return;
      case 'connection.open-ok':
        if (this.state === 'opening') this.opened();
        return;
      case 'connection.blocked':
      case 'connection.unblocked':
        this.blocked = method.name === 'connection.blocked';
        return;
      case 'connection.close':
        this.write(0, { name: 'connection.close-ok' });
        this.end(this.state === 'closing' ? undefined : this.closedBy(method));
        this.wire.end();
        return;
      case 'connection.close-ok':
        this.end(undefined);
        this.wire.end();
        return;
      default:
    }
  }

  private closedBy({ replyCode, replyText }: MethodOf<'connection.close'>): Refusal {
    const why = refusalOf(replyCode, replyText, 'unavailable');
    const login = this.state === 'login' && replyCode === ACCESS_REFUSED && why.outcome === 'not-authorized';
    return login ? { ...why, outcome: 'bad-credentials' } : why;
  }

  private login({ mechanisms, serverProperties }: MethodOf<'connection.start'>): void {
    this.serverProperties = serverProperties;
    const offered = (textOf(mechanisms) ?? '').split(' ');
    const login = loginOf(offered, this.options);
    if (login === undefined) {
      const reason = `the server offers ${offered.join(', ')} and not PLAIN`;
      this.end({ outcome: 'bad-authentication-method', reason, code: 0 });
      this.wire.end();
      return;
    }
    this.state = 'login';
    const { clientId } = this.options;
    const clientProperties: Table = [
      ['product', text('Waymeet')],
      ['capabilities', { type: 'F', value: CAPABILITIES }],
      ...(clientId === '' ? [] : [['connection_name', text(clientId)] as const]),
    ];
    this.write(0, { name: 'connection.start-ok', clientProperties, ...login, locale: 'en_US' });
  }

  /** 0 is no limit, and no heartbeat. [AMQP091-1.4.2.5] */
  private tune({ channelMax, frameMax, heartbeat }: MethodOf<'connection.tune'>): void {
    if (frameMax !== 0 && frameMax < FRAME_MIN_SIZE)
      throw new ProtocolError('AMQP091-1.4.2.6', `frames of ${frameMax} octets are too small`, SYNTAX_ERROR);
    if (channelMax !== 0 && channelMax < FIRST_SUBSCRIPTION)
      throw new ProtocolError('AMQP091-1.4.2.6', `${channelMax} channels are too few`, SYNTAX_ERROR);
    this.state = 'opening';
    this.channelMax = channelMax || CHANNEL_MAX;
    this.frameMax = Math.min(frameMax || FRAME_MAX, FRAME_MAX);
    const ours = Math.min(0xffff, Math.ceil(this.options.keepAliveMs / 1_000));
    const agreed = ours === 0 ? 0 : Math.min(ours, heartbeat || ours);
    this.beatMs = agreed * 1_000;
    const terms = { channelMax: this.channelMax, frameMax: this.frameMax, heartbeat: agreed };
    this.write(0, { name: 'connection.tune-ok', ...terms });
    this.write(0, { name: 'connection.open', virtualHost: virtualHostOf(this.options.path) });
  }

  private opened(): void {
    this.state = 'open';
    this.plain = new PublishChannel(this, PLAIN_CHANNEL, false);
    this.confirmed = new PublishChannel(this, CONFIRM_CHANNEL, true);
    this.channels.set(PLAIN_CHANNEL, this.plain);
    this.channels.set(CONFIRM_CHANNEL, this.confirmed);
    this.look(this.options.now());
    const word = (name: string): string => String(fieldOf(this.serverProperties, name)?.value ?? '');
    const product = word('product');
    const ability = product === 'Waymeet' ? ABILITY : ELSEWHERE;
    const server = `${product || 'AMQP 0-9-1'} ${word('version')}`.trim();
    this.events.opened({ clientId: this.options.clientId, resumed: false, ability, server });
    this.callEarly();
  }

  // --- time and the end ---

  drained(): void {}

  /** A heartbeat each half of the time; two silent times end the connection. [AMQP091-4.2.7] */
  wake(now: number): void {
    if (this.state === 'ended' || this.beatMs === 0) return;
    if (now >= this.heardAt + 2 * this.beatMs) {
      this.end({ outcome: 'idle', reason: 'nothing was heard, not even a heartbeat', code: 0 });
      this.wire.destroy();
      return;
    }
    this.wire.write(HEARTBEAT_FRAME);
    this.look(now);
  }

  private look(now: number): void {
    if (this.beatMs > 0) this.wire.wake(Math.min(now + this.beatMs / 2, this.heardAt + 2 * this.beatMs));
    else this.wire.wake(NEVER);
  }

  broken(why: Error): void {
    const code = why instanceof ProtocolError ? why.code : 0;
    if (this.state === 'open') this.sayClose(code || UNEXPECTED_FRAME, why.message.slice(0, 200));
    const reason = `the server broke the protocol: ${why.message}`;
    this.end({ outcome: 'payload-invalid', reason, code: 0 });
  }

  lost(): void {
    this.end(this.state === 'closing' ? undefined : LOST);
  }

  private end(why: Refusal | undefined): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.refuseAll(why ?? CLOSED);
    this.events.ended(why);
  }

  private refuseAll(why: Refusal): void {
    const channels = [...this.channels.values()];
    this.channels.clear();
    this.subscriptions.clear();
    this.arriving.clear();
    this.deliveries.clear();
    for (const channel of channels) channel.abandon(why);
    this.callEarly();
  }

  private callEarly(): void {
    const { early } = this;
    this.early = [];
    for (const call of early) call();
  }
}
