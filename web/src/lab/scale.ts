// Axes: where a value lies between 0 and 1, and which values are marked.

export interface Scale {
  readonly kind: 'log' | 'linear';
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
  text(value: number): string;
}

export function place({ kind, from, to }: Scale, value: number): number {
  return kind === 'log' ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
}

/** The value at a place: the other way round. */
export function valueAt({ kind, from, to }: Scale, share: number): number {
  return kind === 'log' ? from * (to / from) ** share : from + share * (to - from);
}

/** Whole powers of ten around values above 0. */
export function decades(values: readonly number[], text: Scale['text']): Scale {
  const low = values.length === 0 ? 0 : Math.floor(Math.log10(Math.min(...values)));
  const high = values.length === 0 ? 3 : Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return { kind: 'log', from: 10 ** low, to: 10 ** high, ticks, text };
}

export function evenly(from: number, to: number, ticks: readonly number[], text: Scale['text']): Scale {
  return { kind: 'linear', from, to, ticks, text };
}
