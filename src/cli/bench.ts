// `waymeet bench`: a quick load on any broker: messages a second, latency, and whether anything was lost, repeated or reordered.

import type { Client } from '../client/client.ts';
import type { Subscription } from '../client/subscription.ts';
import type { Qos } from '../contract/message.ts';
import { type ConnectionFlags, connectClient } from './connection.ts';
import { EXIT, Failure, type Io } from './io.ts';

export interface BenchFlags extends ConnectionFlags {
  pairs: number;
  seconds: number;
  size: number;
  qos: Qos;
  window: number;
  json?: boolean;
}

/** Head of every payload: sequence number and send time, so that the receiver can check one and measure the other. */
const HEAD_BYTES = 16;
const DRAIN_MS = 5_000;

export async function bench(io: Io, flags: BenchFlags): Promise<number> {
  if (flags.size < HEAD_BYTES)
    throw new Failure(
      `a payload carries ${HEAD_BYTES} octets of its own: give --size ${HEAD_BYTES} or more`,
      EXIT.usage,
    );
  const run = `waymeet-bench/${process.pid}`;
  const pairs = await Promise.all(
    Array.from({ length: flags.pairs }, (_, i) => Pair.open(io, flags, `${run}/${i}`)),
  );
  const started = performance.now();
  const until = started + flags.seconds * 1_000;
  try {
    await Promise.all(pairs.map((pair) => pair.run(until)));
    const elapsed = (performance.now() - started) / 1_000;
    return report(io, flags, pairs, elapsed);
  } finally {
    await Promise.all(pairs.map((pair) => pair.close()));
  }
}

/** One publisher and one subscriber on a topic of their own; at most `window` messages between them. */
class Pair {
  readonly latencies: number[] = [];
  sent = 0;
  received = 0;
  faults = 0;
  private readonly from: Client;
  private readonly to: Client;
  private readonly topic: string;
  private readonly flags: BenchFlags;
  private next = 0;
  private until = 0;
  private finish: () => void = () => {};

  private failure: Error | undefined;

  private constructor(flags: BenchFlags, topic: string, from: Client, to: Client, heard: Subscription) {
    this.flags = flags;
    this.topic = topic;
    this.from = from;
    this.to = to;
    void this.listen(heard);
  }

  static async open(io: Io, flags: BenchFlags, topic: string): Promise<Pair> {
    const own = { ...flags };
    // Each connection needs an id of its own.
    delete own.id;
    delete own.idPrefix;
    const [from, to] = await Promise.all([connectClient(io, own), connectClient(io, own)]);
    const heard = await to.subscribe(topic, { qos: flags.qos, buffer: flags.window });
    return new Pair(flags, topic, from, to, heard);
  }

  private async listen(heard: Subscription): Promise<void> {
    try {
      for await (const m of heard) this.take(m.payload);
    } catch (why) {
      this.fail(why as Error);
    }
  }

  private fail(why: Error): void {
    this.failure ??= why;
    this.finish();
  }

  /** Publishes until `until`, then waits for what is on its way. */
  async run(until: number): Promise<void> {
    this.until = until;
    const finished = new Promise<void>((done) => {
      this.finish = done;
    });
    const late = setTimeout(() => this.finish(), until - performance.now() + DRAIN_MS);
    this.fill();
    await finished;
    clearTimeout(late);
    if (this.failure !== undefined) throw this.failure;
  }

  /** Keeps the window full; each arrival makes room for the next. */
  private fill(): void {
    const over = performance.now() >= this.until;
    while (!over && this.sent - this.received < this.flags.window) this.publish();
    if (over && this.received === this.sent) this.finish();
  }

  private publish(): void {
    const payload = Buffer.alloc(this.flags.size);
    payload.writeDoubleBE(this.sent++, 0);
    payload.writeDoubleBE(performance.now(), 8);
    this.from.publish(this.topic, payload, { qos: this.flags.qos }).catch((why: Error) => this.fail(why));
  }

  private take(payload: Uint8Array): void {
    const view = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    const sequence = view.readDoubleBE(0);
    if (sequence !== this.next) this.faults++;
    this.next = sequence + 1;
    this.received++;
    this.latencies.push(performance.now() - view.readDoubleBE(8));
    this.fill();
  }

  async close(): Promise<void> {
    await Promise.all([this.from.close(), this.to.close()]);
  }
}

function report(io: Io, flags: BenchFlags, pairs: readonly Pair[], seconds: number): number {
  const received = pairs.reduce((n, p) => n + p.received, 0);
  const lost = pairs.reduce((n, p) => n + p.sent - p.received, 0);
  const faults = pairs.reduce((n, p) => n + p.faults, 0);
  const latencies = Float64Array.from(pairs.flatMap((p) => p.latencies)).sort();
  const at = (share: number) =>
    Number((latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0).toFixed(3));
  const figures = {
    pairs: flags.pairs,
    qos: flags.qos,
    size: flags.size,
    seconds: Number(seconds.toFixed(2)),
    messages: received,
    perSecond: Math.round(received / seconds),
    latencyMs: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) },
    lost,
    outOfOrder: faults,
  };
  if (flags.json) io.output.write(`${JSON.stringify(figures)}\n`);
  else {
    const { p50, p90, p99, max } = figures.latencyMs;
    io.output.write(
      `${received} messages in ${figures.seconds} s: ${figures.perSecond} a second (${flags.pairs} pairs, QoS ${flags.qos}, ${flags.size} octets)\n` +
        `latency ms: p50 ${p50}  p90 ${p90}  p99 ${p99}  max ${max}\n`,
    );
  }
  if (lost > 0 || faults > 0)
    throw new Failure(`${lost} messages were lost, ${faults} came out of order or twice: no speed counts`);
  return EXIT.fine;
}
