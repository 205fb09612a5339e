import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real children and sockets: generous for a machine of two busy cores, never a timing assert.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Suites that start engines share the cores; more at once only makes each slower.
    maxWorkers: 2,
    pool: 'forks',
  },
});
