// The sending half of TCP: congestion window, loss detection by SACK or duplicate acknowledgements, time-outs, Nagle.

import { Alarm, type LabClock } from './clock.ts';

/** What both ends of a connection agree on. Sizes in octets, times in ms. docs/lab/model.md says where the numbers come from. */
export interface TcpSpec {
  /** RFC 7323: 12 octets in every segment. */
  readonly timestamps: boolean;
  /** RFC 2018, RFC 6675 */
  readonly sack: boolean;
  /** RFC 1122, section 4.2.3.4 */
  readonly nagle: boolean;
  /** How long an acknowledgement may wait for company; 0: not at all. RFC 1122, section 4.2.3.2 */
  readonly delayedAckMs: number;
  /** Segments. RFC 6928 */
  readonly initialWindow: number;
  /** RFC 6298 says 1,000; Linux has 200. */
  readonly minRtoMs: number;
  readonly receiveBytes: number;
}

export const TCP_DEFAULTS: TcpSpec = {
  timestamps: true,
  sack: true,
  nagle: false,
  delayedAckMs: 40,
  initialWindow: 10,
  minRtoMs: 200,
  receiveBytes: 131_072,
};

/** RFC 6298, section 2.1 */
export const INITIAL_RTO_MS = 1_000;
const MAX_RTO_MS = 120_000;
/** As Linux's tcp_retries2: about a quarter of an hour of silence. */
const MAX_RETRIES = 15;
/** RFC 5681, section 3.2 */
const DUPLICATES = 3;

/** A segment that is not acknowledged yet. `start` to `end` count octets of the stream, and FIN as one. */
interface Flying {
  start: number;
  readonly end: number;
  readonly fin: boolean;
  sacked: boolean;
  lost: boolean;
  repeated: boolean;
}

export interface SenderPort {
  /** Sends octets `start` to `end`; `again`: they were sent before. */
  emit(start: number, end: number, fin: boolean, again: boolean): void;
  /** The other side has been silent for too long. */
  gaveUp(): void;
}

export class TcpSender {
  /** Everything before it is acknowledged. */
  una = 0;
  /** The next octet to send for the first time. */
  next = 0;
  /** Octets written by the application. */
  written = 0;
  rtoMs = INITIAL_RTO_MS;
  srttMs = 0;
  retransmissions = 0;
  timeouts = 0;
  private readonly clock: LabClock;
  private readonly spec: TcpSpec;
  private readonly mss: number;
  private readonly port: SenderPort;
  private readonly alarm: Alarm;
  private flying: Flying[] = [];
  /** Octets that are believed to be on their way. */
  private pipe = 0;
  private window: number;
  private threshold = Number.POSITIVE_INFINITY;
  private peerWindow = 65_535;
  private rttVariance = 0;
  private duplicates = 0;
  /** Losses up to here belong to one event; -1: none. */
  private recover = -1;
  /** That event was found by duplicates: the window stands still until it is over. After a time-out it grows anew. */
  private fast = false;
  private retries = 0;
  private limited = false;
  private finWanted = false;
  private finSent = false;

  constructor(clock: LabClock, spec: TcpSpec, mss: number, port: SenderPort) {
    this.clock = clock;
    this.spec = spec;
    this.mss = mss;
    this.port = port;
    this.window = spec.initialWindow * mss;
    this.alarm = new Alarm(clock, () => this.timedOut());
  }

  /** All that was written, and the FIN, is acknowledged. */
  get finished(): boolean {
    return this.finSent && this.una === this.written + 1;
  }

  finish(): void {
    this.finWanted = true;
    this.push();
  }

  stop(): void {
    this.alarm.clear();
    this.flying = [];
    this.pipe = 0;
  }

  /** The round trip of the handshake is the first sample. */
  sample(rttMs: number): void {
    // RFC 6298, section 2.2 and 2.3
    if (this.srttMs === 0) {
      this.srttMs = rttMs;
      this.rttVariance = rttMs / 2;
    } else {
      this.rttVariance = 0.75 * this.rttVariance + 0.25 * Math.abs(this.srttMs - rttMs);
      this.srttMs = 0.875 * this.srttMs + 0.125 * rttMs;
    }
    this.rtoMs = this.srttMs + Math.max(this.spec.minRtoMs, 4 * this.rttVariance);
  }

  /** Sends what may be sent now. */
  push(): void {
    this.repair();
    this.limited = false;
    while (this.next <= this.written) {
      const left = this.written - this.next;
      const fin = this.finWanted && !this.finSent && left <= this.mss;
      if (left === 0 && !fin) break;
      const length = Math.min(left, this.mss);
      const flight = this.next - this.una;
      if (length > 0 && this.pipe + length > this.window && this.pipe > 0) {
        this.limited = true;
        break;
      }
      if (length > 0 && flight + length > this.peerWindow) {
        if (flight === 0) this.armPersist();
        break;
      }
      if (this.spec.nagle && length < this.mss && flight > 0 && !fin) break;
      this.send(length, fin);
    }
  }

  private send(length: number, fin: boolean): void {
    const start = this.next;
    const end = start + length + (fin ? 1 : 0);
    this.flying.push({ start, end, fin, sacked: false, lost: false, repeated: false });
    this.pipe += end - start;
    this.next = end;
    if (fin) this.finSent = true;
    this.port.emit(start, start + length, fin, false);
    if (this.alarm.due === Number.POSITIVE_INFINITY) this.arm();
  }

  /** Sends lost segments again, the oldest first, as the window allows. A lost one counts no more as on its way. */
  private repair(): void {
    if (this.recover < 0) return;
    for (const one of this.flying) {
      if (!one.lost || one.repeated || one.sacked) continue;
      const length = one.end - one.start;
      if (this.pipe > 0 && this.pipe + length > this.window) return;
      this.repeat(one);
    }
  }

  private repeat(one: Flying): void {
    one.repeated = true;
    this.pipe += one.end - one.start;
    this.retransmissions++;
    this.port.emit(one.start, one.end - (one.fin ? 1 : 0), one.fin, true);
    this.arm();
  }

  /** An acknowledgement came. `blocks`: pairs of start and end that arrived out of order. `pure`: it carried nothing else. */
  acknowledged(ack: number, window: number, blocks: readonly number[], rttMs: number, pure: boolean): void {
    const windowMoved = window !== this.peerWindow;
    this.peerWindow = window;
    const advanced = ack > this.una;
    if (advanced) this.advance(ack, rttMs);
    else if (pure && !windowMoved && this.flying.length > 0) this.duplicates++;
    if (this.spec.sack) this.mark(blocks);
    this.detect();
    if (advanced && this.recover >= 0 && ack >= this.recover) this.recovered();
    this.push();
  }

  private advance(ack: number, rttMs: number): void {
    const newly = ack - this.una;
    this.una = ack;
    this.retries = 0;
    this.duplicates = 0;
    this.sample(rttMs);
    const { flying } = this;
    let gone = 0;
    while (gone < flying.length && flying[gone]!.end <= ack) this.leave(flying[gone++]!);
    if (gone > 0) flying.splice(0, gone);
    const first = flying[0];
    if (first !== undefined && first.start < ack) {
      if (this.counts(first)) this.pipe -= ack - first.start;
      first.start = ack;
    }
    // A partial acknowledgement says that the next one is lost too. RFC 6582, section 3.2
    if (this.recover >= 0 && ack < this.recover && first !== undefined && !this.spec.sack) this.lose(first);
    if (this.recover < 0 || !this.fast) this.grow(newly);
    if (flying.length === 0) this.alarm.clear();
    else this.arm();
  }

  private counts(one: Flying): boolean {
    return !one.sacked && (!one.lost || one.repeated);
  }

  private leave(one: Flying): void {
    if (this.counts(one)) this.pipe -= one.end - one.start;
  }

  /** RFC 5681, section 3.1; a window that was not used does not grow. */
  private grow(newly: number): void {
    if (!this.limited && this.recover < 0 && this.window > this.spec.initialWindow * this.mss) return;
    if (this.window < this.threshold) this.window += Math.min(newly, this.mss);
    else this.window += (this.mss * this.mss) / this.window;
  }

  private mark(blocks: readonly number[]): void {
    for (let i = 0; i < blocks.length; i += 2) {
      for (const one of this.flying) {
        if (one.sacked || one.start < blocks[i]! || one.end > blocks[i + 1]!) continue;
        this.leave(one);
        one.sacked = true;
      }
    }
  }

  /** RFC 6675, section 4 and 5; without SACK three duplicates speak of the first segment alone. */
  private detect(): void {
    const { flying } = this;
    if (flying.length === 0) return;
    let found = false;
    if (this.spec.sack) {
      let above = 0;
      for (let i = flying.length - 1; i >= 0; i--) {
        const one = flying[i]!;
        if (one.sacked) above++;
        else if (above >= DUPLICATES && !one.lost) {
          this.lose(one);
          found = true;
        }
      }
    }
    if (this.duplicates >= DUPLICATES && !flying[0]!.lost && !flying[0]!.sacked) {
      this.lose(flying[0]!);
      found = true;
    }
    if (!found || this.recover >= 0) return;
    this.recover = this.next;
    this.fast = true;
    this.threshold = Math.max((this.next - this.una) / 2, 2 * this.mss);
    this.window = this.threshold;
    // The first goes at once, whatever the window says. RFC 6675, section 5, step 4.3
    const first = flying.find((one) => one.lost && !one.repeated);
    if (first !== undefined) this.repeat(first);
  }

  private lose(one: Flying): void {
    if (one.lost && !one.repeated) return;
    this.leave(one);
    one.lost = true;
    one.repeated = false;
  }

  private recovered(): void {
    if (this.fast) this.window = this.threshold;
    this.recover = -1;
  }

  private arm(): void {
    this.alarm.set(this.clock.now + Math.min(MAX_RTO_MS, this.rtoMs * 2 ** this.retries));
  }

  /** The other side's window is closed: it is asked again, in case the news that it opened was lost. RFC 9293, section 3.8.6.1 */
  private armPersist(): void {
    if (this.alarm.due === Number.POSITIVE_INFINITY) this.arm();
  }

  private timedOut(): void {
    if (this.flying.length === 0) {
      if (this.next < this.written) this.send(Math.min(1, this.written - this.next), false);
      return;
    }
    if (++this.retries > MAX_RETRIES) {
      this.stop();
      this.port.gaveUp();
      return;
    }
    this.timeouts++;
    // RFC 5681, section 3.1, equation 4; once a series of time-outs
    if (this.retries === 1) this.threshold = Math.max((this.next - this.una) / 2, 2 * this.mss);
    this.window = this.mss;
    this.recover = this.next;
    this.fast = false;
    this.duplicates = 0;
    for (const one of this.flying) {
      if (one.sacked) continue;
      this.lose(one);
    }
    this.repair();
  }
}
