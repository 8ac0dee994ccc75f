// Sizes and times as people write them: '10MB', '90s', 'never'.

import { NEVER } from '../../contract/message.ts';

const SIZES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

const TIMES: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  min: 60e3,
  h: 3_600e3,
  d: 86_400e3,
  w: 604_800e3,
};

/** Octets of '512', '64kB', '10MB' (powers of 1000), '10MiB' (powers of 1024) or a plain number; undefined when it is none of these. */
export function parseSize(text: unknown): number | undefined {
  return scaled(text, SIZES, 1);
}

/** Milliseconds of '250ms', '10s', '5min', '1h', '7d', '2w' or 'never' (NEVER); a plain number is seconds. */
export function parseDuration(text: unknown): number | undefined {
  return text === 'never' ? NEVER : scaled(text, TIMES, 1_000);
}

function scaled(text: unknown, units: Readonly<Record<string, number>>, plain: number): number | undefined {
  if (typeof text === 'number')
    return text >= 0 && Number.isFinite(text) ? Math.round(text * plain) : undefined;
  if (typeof text !== 'string') return undefined;
  const parts = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  if (parts === null) return undefined;
  const unit = parts[2] === '' ? plain : units[parts[2]!.toLowerCase()];
  return unit === undefined ? undefined : Math.round(Number(parts[1]) * unit);
}
