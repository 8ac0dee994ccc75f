// One device's link: a pipe each way with delay, bandwidth and a queue, loss, duplication, reordering, outages; and its radio.

import type { LabClock } from './clock.ts';
import type { LinkSpec } from './link-spec.ts';
import { MEDIA, type Medium, maximumSegment, sizesOf } from './medium.ts';
import { Radio } from './radio.ts';
import { Tally } from './tally.ts';

export interface Outage {
  readonly from: number;
  readonly to: number;
}

const SLOT_MS = 10;

/** One direction. */
export class Pipe {
  readonly tally = new Tally();
  readonly spec: LinkSpec;
  private readonly clock: LabClock;
  private readonly random: () => number;
  private readonly kbps: number;
  private readonly medium: Medium;
  private readonly radio: Radio;
  private readonly down: boolean;
  private readonly outages: readonly Outage[];
  private busyUntil = 0;
  private lastArrival = 0;
  private bad = false;
  private steppedAt = 0;

  constructor(
    clock: LabClock,
    spec: LinkSpec,
    random: () => number,
    radio: Radio,
    down: boolean,
    outages: readonly Outage[],
  ) {
    this.clock = clock;
    this.spec = spec;
    this.random = random;
    this.radio = radio;
    this.down = down;
    this.kbps = down ? spec.downKbps : spec.upKbps;
    this.medium = MEDIA[spec.medium];
    this.outages = outages;
  }

  /** Sends an IP packet; `arrive` is called when, and as often as, it arrives. The caller counts `content` in the tally. */
  send(transport: 'udp' | 'tcp', header: number, content: number, arrive: () => void): void {
    const { spec, tally, clock } = this;
    const sizes = sizesOf(this.medium, spec.ip, spec.mtu, transport, header, content, this.down);
    tally.packets++;
    tally.frames += sizes.frames;
    tally.link += sizes.link;
    tally.ip += sizes.ip;
    tally.transport += sizes.transport;
    const bytes = sizes.link + sizes.ip + sizes.transport + content;
    const start = Math.max(this.busyUntil, clock.now);
    const airMs = (bytes * 8) / this.kbps;
    if (((start - clock.now) * this.kbps) / 8 > spec.queueBytes) {
      tally.lostFrames += sizes.frames;
      return;
    }
    this.busyUntil = start + airMs;
    if (!this.down) this.radio.sent(start, airMs);
    const lost = this.losses(sizes.frames, start);
    tally.lostFrames += lost;
    if (lost > 0) return;
    this.deliver(this.arrival(start + airMs), airMs, arrive);
    if (spec.duplicate > 0 && this.random() < spec.duplicate)
      this.deliver(this.arrival(start + airMs), airMs, arrive);
  }

  private deliver(at: number, airMs: number, arrive: () => void): void {
    this.clock.at(at, () => {
      if (this.down) this.radio.heard(this.clock.now - airMs, airMs);
      arrive();
    });
  }

  private arrival(sent: number): number {
    const { delayMs, jitterMs, reorder, reorderMs } = this.spec;
    const at = sent + delayMs + (jitterMs > 0 ? this.random() * jitterMs : 0);
    if (reorder > 0 && this.random() < reorder) return at + reorderMs; // and nobody waits for it
    if (at > this.lastArrival) this.lastArrival = at;
    return this.lastArrival;
  }

  /** How many of a packet's frames are lost. */
  private losses(frames: number, at: number): number {
    for (const outage of this.outages) if (at >= outage.from && at < outage.to) return frames;
    const { loss, burst } = this.spec;
    if (loss <= 0) return 0;
    let lost = 0;
    for (let i = 0; i < frames; i++) if (this.oneLost(loss, burst, at)) lost++;
    return lost;
  }

  /**
   * Gilbert: from bad to good with 1 / burst, from good to bad so that the share of bad frames is `loss`. The chain takes a step for each
   * frame, and one for each SLOT_MS without any: what was bad two seconds ago tells little about now.
   */
  private oneLost(loss: number, burst: number, at: number): boolean {
    if (burst <= 1) return this.random() < loss;
    const leave = 1 / burst;
    const enter = (loss / (1 - loss)) * leave;
    const steps = 1 + Math.floor(Math.max(0, at - this.steppedAt) / SLOT_MS);
    this.steppedAt = at;
    const bad = loss + ((this.bad ? 1 : 0) - loss) * (1 - enter - leave) ** steps;
    this.bad = this.random() < bad;
    return this.bad;
  }
}

export class Link {
  readonly up: Pipe;
  readonly down: Pipe;
  readonly radio: Radio;
  readonly spec: LinkSpec;
  readonly clock: LabClock;
  /** The largest TCP segment content without options. */
  readonly mss: number;

  constructor(
    clock: LabClock,
    spec: LinkSpec,
    random: () => number,
    radio = new Radio(),
    outages: readonly Outage[] = [],
  ) {
    this.clock = clock;
    this.spec = spec;
    this.radio = radio;
    this.up = new Pipe(clock, spec, random, this.radio, false, outages);
    this.down = new Pipe(clock, spec, random, this.radio, true, outages);
    this.mss = maximumSegment(spec.ip, spec.mtu);
  }

  /** A new flow's place in the NAT. */
  flow(transport: 'udp' | 'tcp'): Flow {
    return new Flow(
      this.clock,
      transport === 'udp' ? this.spec.natUdpMs : this.spec.natTcpMs,
      this.spec.rebindMs,
    );
  }
}

/** One flow as the NAT knows it: a number that stands for its public port, and changes when the NAT forgets. */
export class Flow {
  mapping = 0;
  private readonly clock: LabClock;
  private readonly idleMs: number;
  private readonly rebindMs: number;
  private lastAt: number;
  private readonly begun: number;
  private rebinds = 0;

  constructor(clock: LabClock, idleMs: number, rebindMs: number) {
    this.clock = clock;
    this.idleMs = idleMs;
    this.rebindMs = rebindMs;
    this.lastAt = clock.now;
    this.begun = clock.now;
  }

  /** A packet leaves: the mapping that it leaves with. */
  out(): number {
    this.refresh();
    this.lastAt = this.clock.now;
    return this.mapping;
  }

  /** Whether a packet to that mapping comes in. */
  in(mapping: number): boolean {
    this.refresh();
    if (mapping !== this.mapping) return false;
    this.lastAt = this.clock.now;
    return true;
  }

  private refresh(): void {
    const { now } = this.clock;
    const due = this.rebindMs > 0 ? Math.floor((now - this.begun) / this.rebindMs) : 0;
    const idle = this.idleMs > 0 && now - this.lastAt > this.idleMs;
    if (due <= this.rebinds && !idle) return;
    this.rebinds = due;
    this.lastAt = now;
    this.mapping++;
  }
}
