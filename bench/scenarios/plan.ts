// Plans: who publishes what to whom in a scenario that runs at full speed, at a pace, or with one message in flight.

import type { Qos } from '../generator/frames.ts';

export interface Plan {
  /** One publishing client each. Topics have one length; message `n` goes to `topics[n % topics.length]`. */
  readonly publishers: readonly { readonly topics: readonly string[]; readonly receivers: number }[];
  /** One subscribing client each; `hears` are the publishers whose every message must arrive. */
  readonly receivers: readonly { readonly filters: readonly string[]; readonly hears: readonly number[] }[];
  /** Clients that subscribe to filters that match nothing. */
  readonly others: readonly (readonly string[])[];
  readonly qos: Qos;
  readonly payloadBytes: number;
  /** Messages between a publisher and its slowest receiver; powers of two. `batch` of them share a write. */
  readonly window: number;
  readonly batch: number;
  readonly retainEvery: number;
  /** The receivers' sessions outlive their connections, so the broker keeps QoS 1 messages for them. */
  readonly durable: boolean;
  /** Take every message's latency. */
  readonly timed: boolean;
  /** Messages a second in all, evenly spaced; 0: as fast as the credit allows. */
  readonly rate: number;
}

type Shape = Pick<Plan, 'publishers' | 'receivers'> & Partial<Plan>;

const plan = (shape: Shape): Plan => ({
  others: [],
  qos: 0,
  payloadBytes: 64,
  window: 128,
  batch: 32,
  retainEvery: 0,
  durable: false,
  timed: false,
  rate: 0,
  ...shape,
});

const count = <T>(length: number, make: (i: number) => T): T[] => Array.from({ length }, (_, i) => make(i));
const digits = (i: number, width: number): string => String(i).padStart(width, '0');

/** Publisher `i` to receiver `i`, for all `i`. */
export function pairs(n: number, qos: Qos, more: Partial<Plan> = {}): Plan {
  return plan({
    publishers: count(n, (i) => ({ topics: [`bench/pair/${digits(i, 4)}`], receivers: 1 })),
    receivers: count(n, (i) => ({ filters: [`bench/pair/${digits(i, 4)}`], hears: [i] })),
    qos,
    ...more,
  });
}

export function fanOut(receivers: number, qos: Qos): Plan {
  return plan({
    publishers: [{ topics: ['bench/fan/out'], receivers }],
    receivers: count(receivers, () => ({ filters: ['bench/fan/out'], hears: [0] })),
    qos,
    window: 256,
    batch: 64,
  });
}

/** Small windows: all of them together wait for one receiver. */
export function fanIn(publishers: number, qos: Qos): Plan {
  return plan({
    publishers: count(publishers, (i) => ({ topics: [`bench/fan/in/${digits(i, 4)}`], receivers: 1 })),
    receivers: [{ filters: ['bench/fan/in/+'], hears: count(publishers, (i) => i) }],
    qos,
    window: 128,
    batch: 32,
  });
}

/** Pairs through filters with wildcards, beside `others` filters of the same look that match nothing. */
export function wildcard(n: number, others: number): Plan {
  const idle = count(others, (i) => `site/+/line/${digits(i % n, 4)}/other${i}`);
  for (let i = 0; i < others; i += 4) idle[i] = `site/${digits(i % n, 4)}/hall/#`;
  return plan({
    publishers: count(n, (i) => ({ topics: [`site/${digits(i, 4)}/line/0007/temperature`], receivers: 1 })),
    receivers: count(n, (i) => ({ filters: [`site/${digits(i, 4)}/+/+/temperature`], hears: [i] })),
    others: count(8, (c) => idle.filter((_, i) => i % 8 === c)),
  });
}

/** Every message of a pair goes to another topic. `exact`: a filter for each of them; otherwise one with `#`. */
export function diverse(n: number, topicsEach: number, exact: boolean): Plan {
  const topics = (i: number) =>
    count(topicsEach, (t) => `plant/${digits(i, 4)}/sensor/${digits(t, 5)}/value`);
  return plan({
    publishers: count(n, (i) => ({ topics: topics(i), receivers: 1 })),
    receivers: count(n, (i) => ({ filters: exact ? topics(i) : [`plant/${digits(i, 4)}/#`], hears: [i] })),
  });
}

/** The next message leaves when the last has arrived (and, at QoS 1, has been acknowledged). */
export function oneInFlight(n: number, qos: Qos): Plan {
  return pairs(n, qos, { window: 1, batch: 1, timed: true });
}

export function paced(n: number, rate: number): Plan {
  return pairs(n, 0, { window: 256, batch: 1, timed: true, rate });
}

/** One pair, with as many messages under way as make `underWay` octets, at least two. */
export function large(payloadBytes: number, underWay: number): Plan {
  const window = 2 ** Math.max(1, Math.floor(Math.log2(underWay / payloadBytes)));
  return pairs(1, 0, { payloadBytes, window, batch: 1 });
}

/** The same with windows of at most `window` messages, a power of two. */
export function narrowed(wide: Plan, window: number): Plan {
  const narrow = Math.min(wide.window, window);
  return { ...wide, window: narrow, batch: Math.min(wide.batch, Math.max(1, narrow / 4)) };
}
