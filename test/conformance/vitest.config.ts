// `npm run conformance`: the tests that are named by clauses, counted against the ledgers.

import { defineConfig } from 'vitest/config';
import { ConformanceReporter } from './reporter.ts';

export default defineConfig({
  test: {
    include: ['test/conformance/**/*.test.ts', 'src/protocol/mqtt/**/*.test.ts'],
    reporters: [new ConformanceReporter()],
    testTimeout: 20_000,
  },
});
