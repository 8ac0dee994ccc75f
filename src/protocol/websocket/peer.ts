// One `waymeet.v1` connection: it connects once, then publishes, asks, subscribes, takes messages and acknowledges them.

import type { Identity, Login } from '../../contract/auth.ts';
import type { Access, Guest, Hub } from '../../contract/hub.ts';
import type { Consumer, Grant, Mailbox, Settler } from '../../contract/mailbox.ts';
import { type Message, NEVER, type Origin, type Qos } from '../../contract/message.ts';
import { type Departure, type Outcome, ProtocolError } from '../../contract/outcome.ts';
import { isTopicFilter, isTopicName } from '../../contract/topic.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { decodeFrame, formOf } from './decode.ts';
import { encodeFrame, writeMessage } from './encode.ts';
import { messageOf, REASON_OF } from './map.ts';
import { Outflow } from './outflow.ts';
import type {
  ClientFrame,
  ConnectFrame,
  Form,
  HubFrame,
  PublishFrame,
  RenewFrame,
  RequestFrame,
  SubscribeFrame,
  UnsubscribeFrame,
} from './packet.ts';
import { Requests, type RequestsHost } from './requests.ts';

export interface WaymeetJsonOptions {
  /** The longest message that is read, octets. */
  readonly maxFrameBytes: number;
  /** Frames that may come before the login is through. */
  readonly maxEarlyFrames: number;
}

/** An answer that waits for a commit, and what is to be done once it left. */
interface Unkept {
  readonly due: number;
  readonly answer: HubFrame;
  readonly then: (() => void) | undefined;
}

/**
 * States: new —connect→ knocking —welcome→ connected —disconnect, evict, idle→ lost.
 * new and knocking end after loginMs; knocking —refuse→ lost.
 */
export class WaymeetJsonPeer implements Peer, Guest, Consumer, RequestsHost {
  private readonly wire: Wire;
  private readonly hub: Hub;
  private readonly options: WaymeetJsonOptions;
  /** The hub answers in the form that the client began with. */
  form: Form = 'json';
  private state: 'new' | 'knocking' | 'connected' | 'lost' = 'new';
  private readonly openedAt: number;
  private heardAt: number;
  private connect: ConnectFrame | undefined;
  private early: ClientFrame[] = [];
  private renewing = false;
  private access: Access | undefined;
  private origin: Origin | undefined;
  private box: Mailbox | undefined;
  private outflow: Outflow | undefined;
  private requests: Requests | undefined;
  private unkept: Unkept[] = [];
  private paused = false;
  private keptTicket = 0;
  private graceful = false;

  constructor(wire: Wire, hub: Hub, options: WaymeetJsonOptions, now: number) {
    this.wire = wire;
    this.hub = hub;
    this.options = options;
    this.openedAt = now;
    this.heardAt = now;
    this.schedule();
  }

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heardAt = now;
    if (this.state === 'new') {
      this.form = formOf(bytes[start]);
      this.wire.text = this.form === 'json';
    }
    if (end - start > this.maxBytes) {
      throw new ProtocolError('WAYMEET1-size', `a frame is longer than ${this.maxBytes} octets`);
    }
    const frame = decodeFrame(bytes, start, end);
    if ((frame.type === 'connect') !== (this.state === 'new')) {
      throw new ProtocolError('WAYMEET1-connect', 'connect is the first frame, and comes once');
    }
    if (frame.type === 'connect') this.knock(frame);
    else if (this.state === 'connected') this.perform(frame);
    else if (this.early.push(frame) > this.options.maxEarlyFrames) {
      throw new ProtocolError('WAYMEET1-early', 'too many frames before connected');
    }
    return end;
  }

  private get maxBytes(): number {
    return Math.min(this.options.maxFrameBytes, this.wire.limits.maxPacketBytes);
  }

  private knock(frame: ConnectFrame): void {
    if (frame.will !== undefined && !isTopicName(frame.will.topic, this.hub.limits)) {
      this.refuse('topic-invalid');
      return;
    }
    this.state = 'knocking';
    this.connect = frame;
    const { client = '', username, password } = frame;
    this.hub.login(this.loginOf(client, username, password), this);
  }

  private loginOf(
    client: string,
    username: string | undefined,
    password: string | Uint8Array | undefined,
  ): Login {
    return {
      protocol: 'waymeet.v1',
      client,
      username,
      password: typeof password === 'string' ? new TextEncoder().encode(password) : password,
      remote: this.wire.remote,
      listener: this.wire.listener,
      wire: this.wire.identity,
    };
  }

  /** What is refused leaves the earlier proof as it is. One at a time: a guess costs a round trip. */
  private renew({ username, password, id }: RenewFrame): void {
    if (this.renewing) {
      this.write(errorOf('busy', id));
      return;
    }
    this.renewing = true;
    const access = this.access!;
    const proved = (result: Identity | Outcome): void => {
      this.renewing = false;
      if (this.state !== 'connected') return;
      const outcome = typeof result === 'string' ? result : access.renewed(result);
      const { validUntil } = access.identity;
      if (outcome !== 'ok') this.write(errorOf(outcome, id));
      else
        this.write({
          type: 'renewed',
          ...(validUntil !== NEVER && { validUntil }),
          ...(id !== undefined && { id }),
        });
    };
    this.hub.prove(this.loginOf(access.client, username, password)).then(proved, () => proved('unavailable'));
  }

  welcome(access: Access): void {
    if (this.state === 'lost') {
      access.leave(true, this.hub.now());
      return;
    }
    const connect = this.connect!;
    const { limits } = this.hub;
    const { client } = access;
    this.state = 'connected';
    this.access = access;
    this.origin = { protocol: 'waymeet.v1', client, principal: access.identity.principal };
    const { will, keepMs = 0, fresh = false, window = limits.inflight } = connect;
    if (will !== undefined) access.will(messageOf(will, this.origin, this.hub.now()), will.delayMs ?? 0);
    const box = access.mailbox(client, {
      fresh: fresh || keepMs === 0,
      keepMs: Math.min(keepMs, limits.sessionExpiryMs),
      capacity: limits.queueMessages,
      overflow: limits.overflow,
    });
    this.box = box;
    this.outflow = new Outflow(box, Math.min(window, limits.inflight));
    this.requests = new Requests(this.hub, access, this.origin, this);
    const connected: HubFrame = {
      type: 'connected',
      client,
      resumed: box.resumed,
      window: limits.receiveMaximum,
      maxBytes: this.maxBytes,
    };
    this.answer(connected, () => {
      for (const id of this.outflow!.unfinished()) this.write({ type: 'release', id });
      box.attach(this);
    });
    this.schedule();
    for (const frame of this.early.splice(0)) {
      if (!this.graceful) this.perform(frame); // nothing counts after goodbye
    }
  }

  refuse(why: Outcome): void {
    if (this.state === 'lost') return;
    this.write(errorOf(why, undefined));
    this.wire.end();
  }

  private perform(frame: ClientFrame): void {
    switch (frame.type) {
      case 'publish':
        this.publish(frame);
        return;
      case 'subscribe':
        this.subscribe(frame);
        return;
      case 'unsubscribe':
        this.unsubscribe(frame);
        return;
      case 'request':
        this.request(frame);
        return;
      case 'ack':
        this.settled(frame.id, this.outflow!.settle(frame.id, 'ok'));
        return;
      case 'reject':
        this.settled(
          frame.id,
          this.outflow!.settle(frame.id, frame.requeue === true ? 'busy' : 'payload-invalid'),
        );
        return;
      case 'received':
        if (this.outflow!.received(frame.id)) this.answer({ type: 'release', id: frame.id }, undefined);
        else this.unknown(frame.id);
        return;
      case 'release':
        this.box!.inbound.delete(frame.id);
        this.answer({ type: 'published', id: frame.id }, undefined);
        return;
      case 'renew':
        this.renew(frame);
        return;
      case 'ping':
        this.write({ type: 'pong' });
        return;
      case 'disconnect':
        this.graceful = true;
        this.wire.end();
        return;
      case 'connect':
        throw new Error('connect was dealt with before');
    }
  }

  private publish(frame: PublishFrame): void {
    const { id, qos = 0 } = frame;
    if (!isTopicName(frame.topic, this.hub.limits)) {
      this.write(errorOf('topic-invalid', id));
      return;
    }
    if (qos === 2) {
      this.publishOnce(frame);
      return;
    }
    const outcome = this.forward(frame);
    if (outcome !== 'ok' && outcome !== 'unmatched') this.write(errorOf(outcome, id));
    else if (id !== undefined)
      this.answer({ type: 'published', id, ...(outcome === 'unmatched' && { unmatched: true }) }, undefined);
  }

  /** Exactly once: a publish that comes again, in this connection or a later one of the session, is not published again. */
  private publishOnce(frame: PublishFrame): void {
    const { id } = frame;
    if (id === undefined) throw new ProtocolError('WAYMEET1-publish', 'publish: QoS 2 needs an id');
    const { inbound } = this.box!;
    if (!inbound.has(id)) {
      const outcome = inbound.size >= this.hub.limits.receiveMaximum ? 'quota-exceeded' : this.forward(frame);
      if (outcome !== 'ok' && outcome !== 'unmatched') {
        this.write(errorOf(outcome, id));
        return;
      }
      inbound.add(id);
    }
    this.answer({ type: 'received', id }, undefined);
  }

  private forward(frame: PublishFrame): Outcome {
    const m = messageOf(frame, this.origin!, this.hub.now());
    this.count(m.qos);
    return this.access!.publish(m);
  }

  private count(qos: Qos): void {
    const { received } = this.hub.counters.of('waymeet.v1');
    received[qos] = received[qos]! + 1;
  }

  private request(frame: RequestFrame): void {
    if (!isTopicName(frame.topic, this.hub.limits)) {
      this.write(errorOf('topic-invalid', frame.id));
      return;
    }
    this.count(frame.qos ?? 0);
    const outcome = this.requests!.ask(frame, this.hub.now());
    if (outcome === 'ok') this.schedule();
    else this.write(errorOf(outcome, frame.id));
  }

  response(frame: HubFrame): void {
    this.write(frame);
  }

  expired(id: number): void {
    this.write({ type: 'error', code: 'timeout', reason: 'nobody answered in time', id });
  }

  private subscribe(frame: SubscribeFrame): void {
    const { filter, qos = 0, noLocal = false, retained = 'all' } = frame;
    if (!isTopicFilter(filter, this.hub.limits)) {
      this.write(errorOf('filter-invalid', frame.id));
      return;
    }
    const box = this.box!;
    const subscription = { filter, qos, noLocal, tag: 0 };
    const { outcome, added } = box.subscribe(subscription);
    if (outcome !== 'ok') {
      this.write(errorOf(outcome, frame.id));
      return;
    }
    // Retained messages follow the answer.
    const replay = retained === 'all' || (retained === 'new' && added);
    this.answer({ type: 'subscribed', filter, qos, ...idOf(frame) }, () => {
      if (replay) box.replay(subscription);
    });
  }

  private unsubscribe(frame: UnsubscribeFrame): void {
    const outcome = this.box!.unsubscribe(frame.filter);
    if (outcome !== 'ok') this.write(errorOf(outcome, frame.id));
    else this.answer({ type: 'unsubscribed', filter: frame.filter, ...idOf(frame) }, undefined);
  }

  /** A place in the window is free. */
  private settled(id: number, known: boolean): void {
    if (known) this.box!.pull();
    else this.unknown(id);
  }

  private unknown(id: number): void {
    this.write({ type: 'error', code: 'unknown-ack', reason: 'no message waits for this ack', id });
  }

  /** Acknowledged means kept: an answer leaves after the commit that makes it true, and never before an earlier answer. */
  private answer(frame: HubFrame, then: (() => void) | undefined): void {
    const { due } = this.access!;
    if (this.unkept.length > 0 || due > this.keptTicket) {
      this.unkept.push({ due, answer: frame, then });
      // A client that does not mind the window waits where it costs nothing: in its own socket.
      if (this.unkept.length >= this.hub.limits.receiveMaximum && !this.paused) {
        this.paused = true;
        this.wire.pause();
      }
      return;
    }
    this.write(frame);
    then?.();
  }

  kept(ticket: number): void {
    this.keptTicket = Math.max(this.keptTicket, ticket);
    while (this.unkept.length > 0 && this.unkept[0]!.due <= this.keptTicket) {
      const { answer, then } = this.unkept.shift()!;
      this.write(answer);
      then?.();
    }
    if (!this.paused || this.unkept.length * 2 > this.hub.limits.receiveMaximum) return;
    this.paused = false;
    this.wire.resume();
  }

  private write(frame: HubFrame): void {
    this.wire.write(encodeFrame(frame, this.form));
  }

  // --- the consumer ---

  ready(qos: Qos): boolean {
    if (this.state !== 'connected' || this.wire.full) return false;
    return qos === 0 || this.outflow!.open;
  }

  deliver(
    m: Message,
    qos: Qos,
    _grant: Grant,
    replayed: boolean,
    id: number,
    again: boolean,
    box: Settler,
  ): void {
    const { delivered } = this.hub.counters.of('waymeet.v1');
    delivered[qos] = delivered[qos]! + 1;
    writeMessage(this.wire, this.form, m, qos, replayed, this.outflow!.number(qos, id, box), again);
  }

  /** Runs are MQTT's. */
  take(): number {
    return 0;
  }

  // --- endings ---

  drained(): void {
    this.box?.pull();
  }

  wake(now: number): void {
    if (this.deadline() <= now) {
      this.evict('idle');
      return;
    }
    this.requests?.expire(now);
    this.schedule();
  }

  /** When silence has lasted too long: before the login by the listener's limit, after it by what the client promised. */
  private deadline(): number {
    if (this.state !== 'connected') return this.openedAt + this.wire.limits.loginMs;
    const { keepAliveMs = 0 } = this.connect!;
    return keepAliveMs === 0 ? NEVER : this.heardAt + 1.5 * keepAliveMs;
  }

  private schedule(): void {
    this.wire.wake(Math.min(this.deadline(), this.requests?.deadline ?? NEVER));
  }

  slow(ms: number): boolean {
    if (this.wire.hold === undefined) return false;
    this.heardAt = this.hub.now() + ms; // its silence is our doing until then
    this.wire.hold(ms);
    return true;
  }

  evict(why: Outcome): void {
    if (this.state === 'lost') return;
    this.access?.blame(why);
    this.write(errorOf(why, undefined));
    this.wire.end();
  }

  broken(why: Error): void {
    this.access?.blame('protocol-error');
    this.write({ type: 'error', code: 'protocol-error', reason: why.message });
  }

  blamed(why: Departure): void {
    this.access?.blame(why);
  }

  lost(now: number): void {
    this.state = 'lost';
    this.early = [];
    this.unkept = [];
    this.outflow?.clear();
    this.requests?.close();
    this.box?.detach(this);
    this.access?.leave(this.graceful, now);
  }
}

function errorOf(why: Outcome, id: number | undefined): HubFrame {
  return { type: 'error', code: why, reason: REASON_OF[why], ...(id !== undefined && { id }) };
}

function idOf(frame: { readonly id?: number }): { id?: number } {
  return frame.id === undefined ? {} : { id: frame.id };
}
