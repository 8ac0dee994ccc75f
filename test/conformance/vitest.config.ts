// `npm run conformance`: the tests that are named by clauses, counted against the ledgers.

import { defineConfig } from 'vitest/config';
import { ConformanceReporter } from './reporter.ts';

// `npm test` counts these tests too.
const json = process.env.VITEST_JSON;

export default defineConfig({
  test: {
    include: ['test/conformance/**/*.test.ts', 'src/protocol/mqtt/**/*.test.ts'],
    reporters: [
      new ConformanceReporter(),
      ...(json === undefined ? [] : [['json', { outputFile: json }] as const]),
    ],
    testTimeout: 20_000,
  },
});
