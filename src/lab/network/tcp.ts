// A TCP connection over a link: handshake, segments and acknowledgements, the end. The octets are real, their way is a model.

//   client  closed ──open──▶ syn-sent ──SYN,ACK──▶ open ──end──▶ closing ──both FINs acknowledged──▶ closed
//   server  closed ──SYN──▶ syn-received ──ACK──▶ open ──end──▶ closing ──────────────────────────▶ closed
//   RST, a destroy and a silence of 15 retransmissions lead from anywhere to closed.

import { Alarm, type LabClock } from './clock.ts';
import type { Flow, Link, Pipe } from './link.ts';
import { StreamQueue } from './stream-queue.ts';
import type { Kind } from './tally.ts';
import { INITIAL_RTO_MS, TCP_DEFAULTS, TcpSender, type TcpSpec } from './tcp-sender.ts';

/** What happens at one end of a stream. */
export interface StreamSink {
  opened(): void;
  received(bytes: Uint8Array): void;
  /** What was unsent has gone down to half of what was too much. */
  drained(): void;
  /** The other side has sent all that it will. */
  ended(): void;
  /** The connection is over without a goodbye. */
  failed(): void;
}

/** One end of a stream: TCP itself, or a layer over it. */
export interface Stream {
  /** Set before anything happens. */
  sink: StreamSink;
  write(bytes: Uint8Array, kind: Kind): void;
  /** What the kernel would not take. */
  readonly unsent: number;
  end(): void;
  destroy(): void;
  pause(): void;
  resume(): void;
}

interface Segment {
  readonly start: number;
  readonly end: number;
  readonly syn: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
  /** -1: it acknowledges nothing. */
  readonly ack: number;
  readonly window: number;
  readonly blocks: readonly number[];
  /** When it was sent, and when the segment was that it answers: RFC 7323, section 3. */
  readonly stamp: number;
  readonly echo: number;
}

const HEADER_BYTES = 20;
/** MSS 4, SACK permitted 2, timestamps 10, window scale 3, padding 1. */
const SYN_OPTION_BYTES = 20;
/** MSS 4, SACK permitted 2, window scale 3, padding 3. */
const SYN_PLAIN_OPTION_BYTES = 12;
const TIMESTAMP_BYTES = 12;
const MAX_SYNS = 6;
/** Octets of a kernel's send buffer; what is written beyond them is unsent. */
const SEND_BUFFER_BYTES = 131_072;
const FULL_BYTES = 65_536;
const NOTHING: readonly number[] = [];

export const NO_SINK: StreamSink = {
  opened() {},
  received() {},
  drained() {},
  ended() {},
  failed() {},
};

/** Opens a connection from the device at `link`; `accept` gets the server's end before anything arrives there. */
export function connectTcp(
  link: Link,
  accept: (server: TcpEnd) => void,
  spec: TcpSpec = TCP_DEFAULTS,
): TcpEnd {
  const flow = link.flow('tcp');
  const client = new TcpEnd(link, link.up, flow, spec, true);
  const server = new TcpEnd(link, link.down, flow, spec, false);
  client.other = server;
  server.other = client;
  server.accept = accept;
  client.open();
  return client;
}

export class TcpEnd implements Stream {
  sink: StreamSink = NO_SINK;
  state: 'closed' | 'syn-sent' | 'syn-received' | 'open' | 'closing' = 'closed';
  /** @internal */
  other!: TcpEnd;
  /** @internal */
  accept: ((server: TcpEnd) => void) | undefined;
  readonly sender: TcpSender;
  /** @internal */
  readonly queue = new StreamQueue();
  private readonly clock: LabClock;
  private readonly pipe: Pipe;
  private readonly flow: Flow;
  private readonly spec: TcpSpec;
  private readonly client: boolean;
  private readonly mss: number;
  private mapping = 0;
  private readonly handshake: Alarm;
  private syns = 0;
  // What arrives.
  private received = 0;
  private finAt = -1;
  private ended = false;
  /** Pairs of start and end that arrived beyond a gap, in order. */
  private early: number[] = [];
  private readonly delayed: Alarm;
  private unacknowledged = 0;
  private recentStamp = 0;
  private paused = false;
  private unread: Uint8Array[] = [];
  private unreadBytes = 0;
  private choked = false;
  /** The application has said that it is done, perhaps before the connection was open. */
  private finishing = false;
  private pending = false;
  private closed = false;

  constructor(link: Link, pipe: Pipe, flow: Flow, spec: TcpSpec, client: boolean) {
    this.clock = link.clock;
    this.pipe = pipe;
    this.flow = flow;
    this.spec = spec;
    this.client = client;
    this.mss = link.mss - (spec.timestamps ? TIMESTAMP_BYTES : 0);
    this.sender = new TcpSender(link.clock, spec, this.mss, {
      emit: (start, end, fin, again) => this.emit(start, end, fin, again),
      gaveUp: () => this.fail(),
    });
    this.handshake = new Alarm(link.clock, () => this.repeatSyn());
    this.delayed = new Alarm(link.clock, () => this.acknowledge());
  }

  // ---- the application's side

  open(): void {
    this.state = 'syn-sent';
    this.sendSyn();
  }

  write(bytes: Uint8Array, kind: Kind): void {
    if (this.closed || this.finishing || bytes.length === 0) return;
    this.queue.write(bytes, kind);
    if (this.unsent > FULL_BYTES) this.choked = true;
    if (this.pending) return;
    this.pending = true;
    this.clock.soon(() => this.pushPending());
  }

  /** What was written in this event goes to TCP in one piece, as one system call. */
  private pushPending(): void {
    if (!this.pending) return;
    this.pending = false;
    if (this.closed) return;
    this.sender.written = this.queue.written;
    if (this.state === 'open') this.sender.push();
  }

  get unsent(): number {
    return Math.max(0, this.queue.written - this.sender.una - SEND_BUFFER_BYTES);
  }

  end(): void {
    if (this.closed || this.finishing) return;
    this.finishing = true;
    if (this.state === 'open') this.finish();
  }

  private finish(): void {
    this.pushPending();
    this.state = 'closing';
    this.sender.finish();
  }

  destroy(): void {
    if (this.closed) return;
    if (this.state !== 'closed' && this.state !== 'syn-sent') this.transmit(this.segment({ rst: true }), 0);
    this.close();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    const before = this.windowLeft;
    for (const bytes of this.unread.splice(0)) this.sink.received(bytes);
    this.unreadBytes = 0;
    // The other side may wait for the news. RFC 9293, section 3.8.6.2
    if (before < 2 * this.mss && !this.closed) this.acknowledge();
    this.tellEnd();
  }

  // ---- what leaves

  private get windowLeft(): number {
    return Math.max(0, this.spec.receiveBytes - this.unreadBytes);
  }

  private segment(s: Partial<Segment>): Segment {
    this.unacknowledged = 0;
    this.delayed.clear();
    return {
      start: this.sender.next,
      end: this.sender.next,
      syn: false,
      fin: false,
      rst: false,
      ack: this.state === 'syn-sent' ? -1 : this.received,
      window: this.windowLeft,
      blocks:
        this.spec.sack && this.early.length > 0 ? this.early.slice(0, this.spec.timestamps ? 6 : 8) : NOTHING,
      stamp: this.clock.now,
      echo: this.recentStamp,
      ...s,
    };
  }

  private emit(start: number, end: number, fin: boolean, again: boolean): void {
    const segment = this.segment({ start, end, fin });
    if (again) this.pipe.tally.repeated += end - start;
    else this.queue.count(end, this.pipe.tally);
    this.transmit(segment, end - start);
  }

  private acknowledge(): void {
    this.transmit(this.segment({}), 0);
  }

  private sendSyn(): void {
    this.syns++;
    this.transmit(this.segment({ syn: true }), 0);
    this.handshake.set(this.clock.now + INITIAL_RTO_MS * 2 ** (this.syns - 1));
  }

  private repeatSyn(): void {
    if (this.state !== 'syn-sent' && this.state !== 'syn-received') return;
    if (this.syns > MAX_SYNS) this.fail();
    else this.sendSyn();
  }

  private transmit(segment: Segment, content: number): void {
    const { timestamps } = this.spec;
    const plain = timestamps ? TIMESTAMP_BYTES : 0;
    const options = segment.syn ? (timestamps ? SYN_OPTION_BYTES : SYN_PLAIN_OPTION_BYTES) : plain;
    const sack = segment.blocks.length === 0 ? 0 : 4 + 4 * segment.blocks.length;
    const mapping = this.client ? this.flow.out() : this.mapping;
    this.pipe.send('tcp', HEADER_BYTES + options + sack, content, () => {
      if (this.client) this.other.arrivedFrom(segment, mapping);
      else if (this.flow.in(mapping)) this.other.arrived(segment);
    });
  }

  // ---- what arrives

  /** At the server: a segment from another port than the connection's gets a reset. RFC 9293, section 3.10.7.1 */
  private arrivedFrom(segment: Segment, mapping: number): void {
    if (segment.syn) this.mapping = mapping;
    else if (mapping !== this.mapping) {
      if (!segment.rst) this.reset(mapping);
      return;
    }
    this.arrived(segment);
  }

  private reset(mapping: number): void {
    const segment = { ...this.segment({ rst: true }), ack: 0 };
    this.pipe.send('tcp', HEADER_BYTES, 0, () => {
      if (this.flow.in(mapping)) this.other.arrived(segment);
    });
  }

  private arrived(segment: Segment): void {
    if (segment.rst) {
      if (!this.closed) this.fail();
      return;
    }
    if (this.closed) {
      // Whoever still talks learns that nobody is here; a FIN that came again is acknowledged as TIME-WAIT does.
      if (segment.end > segment.start) this.transmit({ ...this.segment({}), rst: true }, 0);
      else if (segment.fin) this.acknowledge();
      return;
    }
    if (segment.syn) {
      this.takeSyn(segment);
      return;
    }
    if (this.state === 'syn-received') this.established(segment);
    if (this.state !== 'open' && this.state !== 'closing') return;
    const carries = segment.end > segment.start || segment.fin;
    if (segment.start <= this.received) this.recentStamp = Math.max(this.recentStamp, segment.stamp);
    if (segment.ack >= 0) {
      const rtt = this.clock.now - segment.echo;
      this.sender.acknowledged(segment.ack, segment.window, segment.blocks, rtt, !carries);
    }
    if (carries) this.takeContent(segment);
    this.relieve();
    if (this.sender.finished && this.ended) this.close();
  }

  private takeSyn(segment: Segment): void {
    this.recentStamp = segment.stamp;
    if (this.client) {
      if (this.state === 'syn-sent') {
        this.handshake.clear();
        this.state = 'open';
        this.sender.sample(this.clock.now - segment.echo);
        this.acknowledge(); // the kernel does so before the application learns that it is connected
        this.sink.opened();
        this.sender.push();
        if (this.finishing) this.finish();
      } else {
        this.acknowledge(); // our answer to it was lost
      }
    } else if (this.state === 'closed') {
      this.state = 'syn-received';
      this.accept?.(this);
      this.sendSyn();
    } else {
      this.transmit(this.segment({ syn: true }), 0);
    }
  }

  private established(segment: Segment): void {
    if (segment.ack < 0) return;
    this.handshake.clear();
    this.state = 'open';
    this.sender.sample(this.clock.now - segment.echo);
    this.sink.opened();
    this.sender.push();
    if (this.finishing) this.finish();
  }

  private takeContent(segment: Segment): void {
    const end = segment.end + (segment.fin ? 1 : 0);
    if (segment.fin) this.finAt = segment.end;
    if (segment.start > this.received) {
      this.keepEarly(segment.start, end);
      this.acknowledge(); // at once. RFC 5681, section 4.2
      return;
    }
    if (end <= this.received) {
      this.acknowledge();
      return;
    }
    const filled = this.early.length > 0;
    this.received = end;
    while (this.early.length > 0 && this.early[0]! <= this.received) {
      this.received = Math.max(this.received, this.early[1]!);
      this.early.splice(0, 2);
    }
    const full = segment.end - segment.start >= this.mss;
    if (full) this.unacknowledged++;
    this.scheduleAcknowledgement(
      filled || segment.fin || this.unacknowledged >= 2 || this.spec.delayedAckMs === 0,
    );
    this.give();
  }

  private scheduleAcknowledgement(atOnce: boolean): void {
    // Within this event an answer may still carry it: the model's kernel acknowledges when the application has had its turn.
    const at = this.clock.now + (atOnce ? 0 : this.spec.delayedAckMs);
    if (this.delayed.due > at) this.delayed.set(at);
  }

  private keepEarly(start: number, end: number): void {
    const { early } = this;
    let at = 0;
    while (at < early.length && early[at + 1]! < start) at += 2;
    let to = at;
    let from = start;
    let until = end;
    while (to < early.length && early[to]! <= end) {
      from = Math.min(from, early[to]!);
      until = Math.max(until, early[to + 1]!);
      to += 2;
    }
    early.splice(at, to - at, from, until);
  }

  private give(): void {
    const end = this.finAt >= 0 && this.received > this.finAt ? this.finAt : this.received;
    this.other.queue.take(end, (bytes) => {
      if (this.closed) return;
      if (!this.paused) {
        this.sink.received(bytes);
        return;
      }
      this.unread.push(bytes);
      this.unreadBytes += bytes.length;
    });
    this.tellEnd();
  }

  private tellEnd(): void {
    if (this.ended || this.closed || this.finAt < 0 || this.received <= this.finAt || this.unread.length > 0)
      return;
    this.ended = true;
    this.sink.ended();
  }

  private relieve(): void {
    if (!this.choked || this.unsent > FULL_BYTES / 2) return;
    this.choked = false;
    this.sink.drained();
  }

  // ---- the end

  private fail(): void {
    this.close();
    this.sink.failed();
  }

  private close(): void {
    this.closed = true;
    this.state = 'closed';
    this.sender.stop();
    this.handshake.clear();
    if (!this.ended) this.delayed.clear();
  }
}
