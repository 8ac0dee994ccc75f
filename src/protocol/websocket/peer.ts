// One `waymeet.v1` connection: it connects once, then publishes, subscribes, takes messages and acknowledges them.

import type { Access, Guest, Hub } from '../../contract/hub.ts';
import type { Consumer, Grant, Mailbox, Settler } from '../../contract/mailbox.ts';
import { type Message, NEVER, type Origin, type Qos } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import { isTopicFilter, isTopicName } from '../../contract/topic.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { decodeFrame } from './decode.ts';
import { encodeFrame, writeMessage } from './encode.ts';
import { messageOf, REASON_OF } from './map.ts';
import type {
  AckFrame,
  ClientFrame,
  ConnectFrame,
  HubFrame,
  PublishFrame,
  SubscribeFrame,
  UnsubscribeFrame,
} from './packet.ts';

export interface WaymeetJsonOptions {
  /** The longest text message that is read, octets. */
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

interface Unacknowledged {
  readonly id: number;
  readonly box: Settler;
}

/**
 * States: new —connect→ knocking —welcome→ connected —disconnect, evict, idle→ lost.
 * new and knocking end after loginMs; knocking —refuse→ lost.
 */
export class WaymeetJsonPeer implements Peer, Guest, Consumer {
  private readonly wire: Wire;
  private readonly hub: Hub;
  private readonly options: WaymeetJsonOptions;
  private state: 'new' | 'knocking' | 'connected' | 'lost' = 'new';
  private readonly openedAt: number;
  private heardAt: number;
  private connect: ConnectFrame | undefined;
  private early: ClientFrame[] = [];
  private access: Access | undefined;
  private origin: Origin | undefined;
  private box: Mailbox | undefined;
  private readonly unacknowledged = new Map<number, Unacknowledged>();
  private nextAck = 1;
  private unkept: Unkept[] = [];
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
    const { maxFrameBytes, maxEarlyFrames } = this.options;
    if (end - start > Math.min(maxFrameBytes, this.wire.limits.maxPacketBytes)) {
      throw new ProtocolError('WAYMEET1-size', `a frame is longer than ${maxFrameBytes} octets`);
    }
    const frame = decodeFrame(bytes, start, end);
    if ((frame.type === 'connect') !== (this.state === 'new')) {
      throw new ProtocolError('WAYMEET1-connect', 'connect is the first frame, and comes once');
    }
    if (frame.type === 'connect') this.knock(frame);
    else if (this.state === 'connected') this.perform(frame);
    else if (this.early.push(frame) > maxEarlyFrames) {
      throw new ProtocolError('WAYMEET1-early', 'too many frames before connected');
    }
    return end;
  }

  private knock(frame: ConnectFrame): void {
    if (frame.will !== undefined && !isTopicName(frame.will.topic, this.hub.limits)) {
      this.refuse('topic-invalid');
      return;
    }
    this.state = 'knocking';
    this.connect = frame;
    const { client = '', username, password } = frame;
    this.hub.login(
      {
        protocol: 'waymeet.v1',
        client,
        username,
        password: password === undefined ? undefined : new TextEncoder().encode(password),
        remote: this.wire.remote,
        listener: this.wire.listener,
        wire: this.wire.identity,
      },
      this,
    );
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
    const { will, keepMs = 0, fresh = false } = connect;
    if (will !== undefined) access.will(messageOf(will, this.origin, this.hub.now()), will.delayMs ?? 0);
    const box = access.mailbox(client, {
      fresh: fresh || keepMs === 0,
      keepMs: Math.min(keepMs, limits.sessionExpiryMs),
      capacity: limits.queueMessages,
      overflow: limits.overflow,
    });
    this.box = box;
    this.answer({ type: 'connected', client, resumed: box.resumed }, () => box.attach(this));
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
      case 'ack':
        this.acknowledged(frame);
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
    if (!isTopicName(frame.topic, this.hub.limits)) {
      this.write(errorOf('topic-invalid', frame.id));
      return;
    }
    const m = messageOf(frame, this.origin!, this.hub.now());
    const { received } = this.hub.counters.of('waymeet.v1');
    received[m.qos] = received[m.qos]! + 1;
    const outcome = this.access!.publish(m);
    if (outcome !== 'ok' && outcome !== 'unmatched') this.write(errorOf(outcome, frame.id));
    else if (frame.id !== undefined) this.answer({ type: 'published', id: frame.id }, undefined);
  }

  private subscribe(frame: SubscribeFrame): void {
    const { filter, qos = 0, noLocal = false } = frame;
    if (!isTopicFilter(filter, this.hub.limits)) {
      this.write(errorOf('filter-invalid', frame.id));
      return;
    }
    const box = this.box!;
    const subscription = { filter, qos, noLocal, tag: 0 };
    const { outcome } = box.subscribe(subscription);
    if (outcome !== 'ok') {
      this.write(errorOf(outcome, frame.id));
      return;
    }
    // Retained messages follow the answer.
    this.answer({ type: 'subscribed', filter, qos, ...idOf(frame) }, () => box.replay(subscription));
  }

  private unsubscribe(frame: UnsubscribeFrame): void {
    const outcome = this.box!.unsubscribe(frame.filter);
    if (outcome !== 'ok') this.write(errorOf(outcome, frame.id));
    else this.answer({ type: 'unsubscribed', filter: frame.filter, ...idOf(frame) }, undefined);
  }

  private acknowledged(frame: AckFrame): void {
    const sent = this.unacknowledged.get(frame.id);
    if (sent === undefined) {
      this.write({
        type: 'error',
        code: 'unknown-ack',
        reason: 'no message waits for this ack',
        id: frame.id,
      });
      return;
    }
    this.unacknowledged.delete(frame.id);
    if (sent.id !== 0) sent.box.settle(sent.id, 'ok');
    this.box!.pull();
  }

  /** Acknowledged means kept: an answer leaves after the commit that makes it true, and never before an earlier answer. */
  private answer(frame: HubFrame, then: (() => void) | undefined): void {
    const { due } = this.access!;
    if (this.unkept.length > 0 || due > this.keptTicket) {
      this.unkept.push({ due, answer: frame, then });
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
  }

  private write(frame: HubFrame): void {
    this.wire.write(encodeFrame(frame));
  }

  // --- the consumer ---

  ready(qos: Qos): boolean {
    if (this.state !== 'connected' || this.wire.full) return false;
    return qos === 0 || this.unacknowledged.size < this.hub.limits.inflight;
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
    let ack = 0;
    if (qos > 0) {
      // The window counts them all; only those with an id are the mailbox's to settle.
      ack = this.nextAck++;
      this.unacknowledged.set(ack, { id, box });
    }
    const { delivered } = this.hub.counters.of('waymeet.v1');
    delivered[qos] = delivered[qos]! + 1;
    writeMessage(this.wire, m, qos, replayed, ack, again);
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
    const late = this.deadline() <= now;
    if (late) this.evict('idle');
    else this.schedule();
  }

  /** When silence has lasted too long: before the login by the listener's limit, after it by what the client promised. */
  private deadline(): number {
    if (this.state !== 'connected') return this.openedAt + this.wire.limits.loginMs;
    const { keepAliveMs = 0 } = this.connect!;
    return keepAliveMs === 0 ? NEVER : this.heardAt + 1.5 * keepAliveMs;
  }

  private schedule(): void {
    this.wire.wake(this.deadline());
  }

  slow(ms: number): boolean {
    if (this.wire.hold === undefined) return false;
    this.heardAt = this.hub.now() + ms; // its silence is our doing until then
    this.wire.hold(ms);
    return true;
  }

  evict(why: Outcome): void {
    if (this.state === 'lost') return;
    this.write(errorOf(why, undefined));
    this.wire.end();
  }

  broken(why: Error): void {
    this.write({ type: 'error', code: 'protocol-error', reason: why.message });
  }

  lost(now: number): void {
    this.state = 'lost';
    this.early = [];
    this.unkept = [];
    this.unacknowledged.clear();
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
