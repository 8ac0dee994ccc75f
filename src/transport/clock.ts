// The real clock: whole ms since 1970 that never go back, whatever happens to the wall clock.

import { performance } from 'node:perf_hooks';

const origin = performance.timeOrigin;

/** ms since 1970, an integer; monotonic, because it counts from when the process started. */
export function now(): number {
  return Math.floor(origin + performance.now());
}
