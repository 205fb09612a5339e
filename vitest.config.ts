import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
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

export default config;
