// One session: its windows, its links, and the deliveries of both directions that are not settled. [AMQP1-2.5]

import { Answers } from './answers.ts';
import { attachIncoming, attachOutgoing } from './attaching.ts';
import { type Condition, ConnectionFault, LinkFault, SessionFault } from './fault.ts';
import { encodeFrame } from './frames.ts';
import { type AmqpLink, type ConnectionHost, detachOf, type Sent, type SessionHost } from './link.ts';
import { isTransactional } from './outgoing.ts';
import {
  ATTACH,
  type Attach,
  type Begin,
  DETACH,
  type Detach,
  DISPOSITION,
  type Disposition,
  FLOW,
  type Flow,
  type Performative,
  RECEIVER,
  SENDER,
  TRANSFER,
  type Transfer,
} from './packet.ts';
import type { Transferring } from './transfer.ts';

/** Transfers that may come before this side says that more may: always as many, for credit is what holds a client back. */
export const INCOMING_WINDOW = 2_048;
/** What this side may send is limited by the other's window alone. */
export const OUTGOING_WINDOW = 0x7fff_ffff;

/** States: open —end→ gone; open —fault→ closing —end→ gone. A session that is closing ignores what still comes for it. */
export class AmqpSession implements SessionHost {
  readonly host: ConnectionHost;
  readonly channel: number;
  readonly answers = new Answers(RECEIVER);
  readonly settlements = new Answers(SENDER);
  state: 'open' | 'closing' = 'open';
  private readonly links = new Map<number, AmqpLink>();
  /** Sent to the client and not settled, by delivery id, in order. */
  private readonly sent = new Map<number, Sent>();
  /** Of the client's, not settled by it. */
  private readonly awaited = new Map<number, () => void>();
  private readonly pending: Transferring[] = [];
  private nextIncomingId: number;
  /** Transfers that came since the client last heard of the window. */
  private unannounced = 0;
  private nextOutgoingId = 0;
  private remoteWindow: number;
  private deliveryId = 0;

  constructor(host: ConnectionHost, channel: number, begin: Begin) {
    this.host = host;
    this.channel = channel;
    this.nextIncomingId = begin.nextOutgoingId;
    this.remoteWindow = begin.incomingWindow;
  }

  // --- in ---

  perform(p: Performative, bytes: Uint8Array, start: number, end: number): void {
    switch (p.kind) {
      case TRANSFER:
        this.transfer(p, bytes, start, end);
        return;
      case DISPOSITION:
        this.disposition(p);
        return;
      case FLOW:
        this.flowed(p);
        return;
      case ATTACH:
        this.attach(p);
        return;
      case DETACH:
        this.detach(p);
        return;
      default:
        throw new SessionFault('amqp:illegal-state', 'this performative has no place in a session');
    }
  }

  private linkOf(handle: number): AmqpLink {
    const link = this.links.get(handle);
    if (link === undefined)
      throw new SessionFault('amqp:session:unattached-handle', `no link is attached to handle ${handle}`);
    return link;
  }

  private transfer(t: Transfer, bytes: Uint8Array, start: number, end: number): void {
    this.nextIncomingId = (this.nextIncomingId + 1) >>> 0;
    const link = this.linkOf(t.handle);
    if (link.state === 'attached') this.guard(link, () => link.transfer(t, bytes, start, end));
    if (++this.unannounced > INCOMING_WINDOW / 2) this.flow(undefined);
  }

  /** A fault detaches its link alone. */
  private guard(link: AmqpLink, work: () => void): void {
    try {
      work();
    } catch (why) {
      if (!(why instanceof LinkFault)) throw why;
      this.fail(link, why.condition, why.message);
    }
  }

  private flowed(f: Flow): void {
    // What was sent and not seen yet when the client said so is still on its way. [AMQP1-2.5.6]
    const seen = f.nextIncomingId ?? 0;
    this.remoteWindow = (seen + f.incomingWindow - this.nextOutgoingId) | 0;
    if (f.incomingWindow > 0x7fff_ffff) this.remoteWindow = 0x7fff_ffff;
    this.flush();
    if (f.handle === undefined) {
      for (const link of [...this.links.values()]) if (link.role === SENDER) link.pull();
      if (f.echo === true) this.flow(undefined);
      return;
    }
    const link = this.linkOf(f.handle);
    if (link.state === 'attached') this.guard(link, () => link.flow(f));
  }

  private disposition(d: Disposition): void {
    const last = d.last ?? d.first;
    const settled = d.settled === true;
    if (isTransactional(d.state)) this.provisional(d, last, settled);
    else if (d.role === RECEIVER) {
      for (const sent of this.between(this.sent, d.first, last)) sent.link.outcome(sent, d.state, settled);
    } else if (settled) {
      for (const done of this.between(this.awaited, d.first, last)) done();
      this.dropAwaited(d.first, last);
    }
  }

  /** What takes effect with its transaction. [AMQP1-4.4.2] */
  private provisional({ role, first, state }: Disposition, last: number, settled: boolean): void {
    if (role !== RECEIVER) return;
    try {
      const transaction = this.host.transactions.named(state?.txnId);
      for (const sent of this.between(this.sent, first, last))
        transaction.answer({ sent, state: state?.outcome, settled });
    } catch (why) {
      if (!(why instanceof LinkFault)) throw why;
      throw new SessionFault(why.condition, why.message);
    }
  }

  /** Those of ids `first` to `last`, however wide that is: no more than there are are looked at. */
  private between<T>(map: ReadonlyMap<number, T>, first: number, last: number): T[] {
    const span = (last - first) >>> 0;
    const found: T[] = [];
    if (span < map.size) {
      for (let i = 0; i <= span; i++) {
        const one = map.get((first + i) >>> 0);
        if (one !== undefined) found.push(one);
      }
    } else for (const [id, one] of map) if ((id - first) >>> 0 <= span) found.push(one);
    return found;
  }

  private dropAwaited(first: number, last: number): void {
    const span = (last - first) >>> 0;
    for (const id of [...this.awaited.keys()]) if ((id - first) >>> 0 <= span) this.awaited.delete(id);
  }

  // --- links ---

  private attach(p: Attach): void {
    const { host } = this;
    if (this.links.has(p.handle))
      throw new SessionFault('amqp:session:handle-in-use', `handle ${p.handle} is in use`);
    if (p.handle >= host.links)
      throw new ConnectionFault(
        'AMQP1-2.7.2',
        'amqp:connection:framing-error',
        `handles go up to ${host.links - 1}`,
      );
    if (host.attached >= host.hub.limits.subscriptionsPerClient) {
      this.refuse(p, 'amqp:resource-limit-exceeded', 'too many links');
      return;
    }
    const role = p.role === RECEIVER ? SENDER : RECEIVER;
    for (const link of this.links.values()) {
      if (link.name === p.name && link.role === role && link.state === 'attached') {
        this.refuse(p, 'amqp:link:stolen', `a link ${p.name.slice(0, 200)} is attached already`);
        return;
      }
    }
    try {
      const link = role === SENDER ? attachOutgoing(this, p) : attachIncoming(this, p);
      this.links.set(p.handle, link.link);
      this.host.write(this.channel, fitted(link.reply, host.frameMax));
      this.guard(link.link, () => link.start());
    } catch (why) {
      if (!(why instanceof LinkFault)) throw why;
      this.refuse(p, why.condition, why.message);
    }
  }

  /** The link is answered without a terminus, and detached at once. [AMQP1-2.6.3] */
  private refuse(p: Attach, condition: Condition, description: string): void {
    const role = p.role === RECEIVER ? SENDER : RECEIVER;
    this.host.write(this.channel, {
      kind: ATTACH,
      name: p.name,
      handle: p.handle,
      role,
      sndSettleMode: p.sndSettleMode,
      rcvSettleMode: p.rcvSettleMode,
      ...(role === SENDER ? { initialDeliveryCount: 0, target: p.target } : { source: p.source }),
    });
    const gone: AmqpLink = {
      handle: p.handle,
      name: p.name,
      role,
      state: 'closing',
      flow: () => undefined,
      transfer: () => undefined,
      pull: () => undefined,
      release: () => undefined,
    };
    this.links.set(p.handle, gone);
    this.host.write(this.channel, detachOf(p.handle, true, { condition, description }));
  }

  fail(link: AmqpLink, condition: Condition, why: string): void {
    if (link.state !== 'attached' || this.links.get(link.handle) !== link) return;
    link.state = 'closing';
    this.settleFor(link);
    link.release(false);
    this.host.write(this.channel, detachOf(link.handle, true, { condition, description: why }));
  }

  private detach(p: Detach): void {
    const link = this.linkOf(p.handle);
    this.links.delete(p.handle);
    if (link.state !== 'attached') return;
    link.state = 'closing';
    this.flushAnswers();
    this.settleFor(link);
    link.release(p.closed === true);
    this.host.write(this.channel, detachOf(p.handle, p.closed === true, undefined));
  }

  /** What the link sent is not its own any more: its source has it, or its client. */
  private settleFor(link: AmqpLink): void {
    for (const [id, sent] of [...this.sent]) if (sent.link === (link as object)) this.sent.delete(id);
    for (let i = this.pending.length - 1; i >= 0; i--)
      if (link.role === SENDER && this.pending[i]!.terms.handle === link.handle) this.pending.splice(i, 1);
  }

  // --- out ---

  get writable(): boolean {
    return (
      this.remoteWindow > 0 && this.pending.length === 0 && !this.host.wire.full && this.state === 'open'
    );
  }

  nextDeliveryId(): number {
    const id = this.deliveryId;
    this.deliveryId = (id + 1) >>> 0;
    return id;
  }

  send(transferring: Transferring): void {
    this.pending.push(transferring);
    this.flush();
  }

  /** Sends what the client's window takes. */
  private flush(): void {
    const { pending, host } = this;
    while (pending.length > 0 && this.remoteWindow > 0 && this.state === 'open') {
      this.remoteWindow--;
      this.nextOutgoingId = (this.nextOutgoingId + 1) >>> 0;
      if (pending[0]!.writeFrame(host.wire, this.channel, host.frameMax)) pending.shift();
    }
  }

  expect(delivery: Sent): void {
    this.sent.set(delivery.deliveryId, delivery);
  }

  forget(deliveryId: number): void {
    this.sent.delete(deliveryId);
  }

  await(deliveryId: number, settled: () => void): void {
    this.awaited.set(deliveryId, settled);
  }

  flow(link: Parameters<SessionHost['flow']>[0] | undefined): void {
    this.unannounced = 0;
    this.host.write(this.channel, {
      kind: FLOW,
      nextIncomingId: this.nextIncomingId,
      incomingWindow: INCOMING_WINDOW,
      nextOutgoingId: this.nextOutgoingId,
      outgoingWindow: OUTGOING_WINDOW,
      ...link,
    });
  }

  /** Says what is kept by now. */
  flushAnswers(): void {
    if (this.state !== 'open') return;
    const { keptTicket } = this.host;
    this.answers.flush(keptTicket, (d) => this.host.write(this.channel, d));
    this.settlements.flush(keptTicket, (d) => this.host.write(this.channel, d));
  }

  get size(): number {
    return this.links.size;
  }

  get waiting(): number {
    return this.answers.size + this.settlements.size;
  }

  pull(): void {
    for (const link of [...this.links.values()])
      if (link.state === 'attached') this.guard(link, () => link.pull());
  }

  /** The session is over: links of it that can be found again are. */
  release(): void {
    this.state = 'closing';
    this.sent.clear();
    this.awaited.clear();
    this.pending.length = 0;
    for (const link of [...this.links.values()]) {
      if (link.state !== 'attached') continue;
      link.state = 'closing';
      link.release(false);
    }
    this.links.clear();
  }
}

/** As much of the unsettled map as a frame takes; of what is left out, nothing may be concluded. [AMQP1-2.7.3] */
function fitted(attach: Attach, frameMax: number): Attach {
  let reply = attach;
  while (reply.unsettled !== undefined && encodeFrame(0, reply).length > frameMax) {
    const unsettled = reply.unsettled.slice(0, Math.floor(reply.unsettled.length / 2));
    reply = {
      ...reply,
      unsettled: unsettled.length === 0 ? undefined : unsettled,
      incompleteUnsettled: true,
    };
  }
  return reply;
}
