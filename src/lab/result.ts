// What a cell measured: one variant on one network under one workload. These are the lines of a run's file.

import type { LinkSpec } from './network/link-spec.ts';
import type { RadioUse } from './network/radio.ts';

/** Octets by layer, from the outside in; `payload` is what the application gave, once for each time that it had to cross. */
export interface Bytes {
  readonly link: number;
  readonly ip: number;
  readonly transport: number;
  readonly security: number;
  /** WebSocket: upgrade and frame headers. */
  readonly framing: number;
  readonly protocol: number;
  readonly payload: number;
  /** Sent again by TCP, or by the protocol itself over UDP. */
  readonly repeated: number;
  readonly total: number;
}

export interface Latency {
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** A share of those that arrived, in percent, and how long they took at most. */
  readonly cdf: readonly (readonly [percent: number, ms: number])[];
}

export interface Cell {
  readonly kind: 'cell';
  readonly run: string;
  readonly variant: string;
  readonly network: string;
  readonly seed: number;
  /** Where in a sweep it stands: the share of loss, or messages an hour of each device. Absent: it is the workload itself. */
  readonly point?: { readonly kind: 'loss' | 'rate'; readonly value: number };
  /** Why it came to no end; then the rest is what there was. */
  readonly failure?: string;
  readonly messages: {
    readonly published: number;
    readonly expected: number;
    readonly delivered: number;
    readonly lost: number;
    readonly duplicated: number;
    readonly outOfOrder: number;
    readonly refused: number;
  };
  /** From when a message was due to its delivery, ms; of none, zeros. */
  readonly latency: Latency;
  /** Until the first device was ready, ms; and until its first message was delivered, on a link that has only delay, in round trips. */
  readonly setupMs: number;
  readonly roundTrips: number;
  /** Everything that the devices' links carried, of which `setup` before the first message. */
  readonly bytes: Bytes;
  readonly setupBytes: number;
  /** Without the set-up, per message delivered or due. */
  readonly bytesPerMessage: number;
  readonly packets: { readonly up: number; readonly down: number; readonly lostFrames: number };
  readonly tcp: { readonly retransmissions: number; readonly timeouts: number };
  readonly connections: number;
  /** From the end of the outage to the next delivery, ms. */
  readonly recoveryMs?: number;
  readonly idle: {
    readonly bytesPerHour: number;
    readonly packetsPerHour: number;
    readonly connections: number;
  };
  /** Of one device, the mean; a proxy, not a measurement. */
  readonly energy: RadioUse;
  readonly virtualMs: number;
  /** Of this machine, and so not the same next time. */
  readonly host: {
    readonly clientMs: number;
    readonly serverMs: number;
    readonly wallMs: number;
    readonly events: number;
    /** Heap and buffers of an idle client, both ends; absent unless `memoryClients` asks for it. */
    readonly bytesPerClient?: number;
  };
}

export interface VariantHead {
  readonly id: string;
  readonly title: string;
  readonly family: string;
  readonly guarantee: string;
  readonly security: string;
  readonly transport: string;
}

/** The first line of a run's file. */
export interface RunHead {
  readonly kind: 'run';
  readonly run: string;
  readonly version: string;
  readonly format: 1;
  readonly seed: number;
  readonly workload: unknown;
  readonly variants: readonly VariantHead[];
  readonly networks: readonly (LinkSpec & {
    readonly name: string;
    readonly title: string;
    readonly radio: string;
  })[];
  readonly cells: number;
}

/** The last line, when it came to its end. */
export interface RunEnd {
  readonly kind: 'end';
  readonly run: string;
  readonly cells: number;
  readonly interrupted: boolean;
  readonly wallMs: number;
}

export type RunLine = RunHead | Cell | RunEnd;

const CDF_PERCENTS = [...Array.from({ length: 50 }, (_, i) => 2 * i), 99, 99.5, 99.9, 100];

/** Of sorted values. */
export function latencyOf(sorted: Float64Array): Latency {
  const { length } = sorted;
  if (length === 0) return { min: 0, mean: 0, p50: 0, p90: 0, p99: 0, max: 0, cdf: [] };
  let sum = 0;
  for (const one of sorted) sum += one;
  const at = (share: number): number =>
    round(sorted[Math.min(length - 1, Math.ceil(share * length) - 1)] ?? 0);
  return {
    min: round(sorted[0]!),
    mean: round(sum / length),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: round(sorted[length - 1]!),
    cdf: CDF_PERCENTS.map((percent) => [percent, at(Math.max(1 / length, percent / 100))]),
  };
}

/** Microseconds are more than enough, and make short lines. */
export function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
