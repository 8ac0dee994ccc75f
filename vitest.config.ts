import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Examples import the package by its name; tests run them on the source.
  resolve: { alias: { waymeet: new URL('src/index.ts', import.meta.url).pathname } },
  test: {
    include: ['src/**/*.test.ts', 'web/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // Only a failure takes so long: a machine that is busy with other tests is slow.
    expect: { poll: { timeout: 10_000 } },
  },
});
