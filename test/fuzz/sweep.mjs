// `npm run fuzz`: every property test again and again with new seeds, until one fails or the time is over.
//
//   npm run fuzz -- --minutes 60     how long; 10 unless said
//   npm run fuzz -- --seed 7         the first seed; the next ones follow it

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Several times the size that `npm test` runs. */
const SIZE = { FUZZ_RUNS: '500', FUZZ_ROUNDS: '20' };

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } });
const minutes = Number(values.minutes ?? 10);
const first = Number(values.seed ?? Date.now() % 1_000_000_000);
if (!(minutes > 0) || !Number.isInteger(first)) {
  console.error('--minutes takes a number above 0, --seed a whole number');
  process.exit(2);
}

/** Test files that take a seed from outside. */
const files = ['src', 'test'].flatMap((folder) =>
  readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(folder, name))
    .filter((name) => name.endsWith('.test.ts'))
    .filter((name) => /\bfuzz\(|FUZZ_SEED/.test(readFileSync(path.join(ROOT, name), 'utf8'))),
);
const until = Date.now() + minutes * 60_000;
let passes = 0;
// A pass of the broker's fuzz takes the seeds from its first on, one a round.
for (let seed = first; Date.now() < until; seed += Number(SIZE.FUZZ_ROUNDS)) {
  const env = { ...process.env, ...SIZE, FUZZ_SEED: String(seed) };
  const vitest = path.join(ROOT, 'node_modules/.bin/vitest');
  const args = ['run', '--reporter=dot', '--testTimeout=600000', ...files];
  const { status } = spawnSync(vitest, args, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) {
    const settings = Object.entries({ FUZZ_SEED: seed, ...SIZE }).map(([name, value]) => `${name}=${value}`);
    console.error(
      `\nseed ${seed} fails; it is repeated by\n\n  ${settings.join(' ')} npx vitest run <the file>\n`,
    );
    process.exit(1);
  }
  passes++;
}
console.log(`${passes} passes over ${files.length} files, seeds from ${first}: nothing found`);
