// Loss on a link: as much as it says, in runs as long as it says.

import { expect, test } from 'vitest';
import { seeded } from '../../transport/virtual-clock.ts';
import { BACKEND } from '../networks.ts';
import { LabClock } from './clock.ts';
import { Link } from './link.ts';

const FRAMES = 20_000;

test.each([
  // Uniform: a run goes on with the share itself, so that its mean is 1 / (1 - 0.1).
  [0.1, 1, 1 / 0.9],
  [0.1, 2, 2],
  [0.1, 5, 5],
  [0.02, 20, 20],
] as const)('loss %d in bursts of %d', (loss, burst, mean) => {
  const link = new Link(new LabClock(0), { ...BACKEND, loss, burst, queueBytes: 1e9 }, seeded(7));
  const { tally } = link.up;
  let runs = 0;
  let before = 0;
  for (let i = 0; i < FRAMES; i++) {
    const lost = tally.lostFrames;
    link.up.send('udp', 8, 20, () => {});
    const now = tally.lostFrames - lost;
    if (now > before) runs++;
    before = now;
  }
  // So many runs: three deviations of their mean length, and of the share that they make.
  const spread = (3 * burst) / Math.sqrt((FRAMES * loss) / burst);
  expect(Math.abs(tally.lostFrames / runs - mean)).toBeLessThan(spread);
  expect(Math.abs(tally.lostFrames / FRAMES - loss)).toBeLessThan((loss * spread) / mean + 0.01);
});
