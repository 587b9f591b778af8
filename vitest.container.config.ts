import { defineConfig } from 'vitest/config'

/** What needs a Docker engine, one file after another: compose wants its port for itself. */
export default defineConfig({
  test: {
    include: ['test/container/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 60_000 } },
    fileParallelism: false,
  },
})
