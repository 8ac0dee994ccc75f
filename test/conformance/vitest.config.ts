// `npm run conformance`: the tests that are named by clauses, counted against the ledgers.

import { defineConfig } from 'vitest/config';
import { ConformanceReporter } from './reporter.ts';

// `npm test` counts these tests too.
const json = process.env.VITEST_JSON;

export default defineConfig({
  test: {
    include: ['test/conformance/**/*.test.ts', 'src/protocol/mqtt/**/*.test.ts'],
    reporters:
      json === undefined
        ? [new ConformanceReporter()]
        : [new ConformanceReporter(), ['json', { outputFile: json }]],
    testTimeout: 20_000,
  },
});
