import { defineConfig } from 'vitest/config'
import tests from './vitest.config.ts'

/**
 * What needs more than npm: a Docker engine, HAProxy, a browser. One file after another, for compose wants its port for itself.
 */
export default defineConfig({
  resolve: tests.resolve ?? {},
  test: {
    env: tests.test?.env ?? {},
    include: ['test/system/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 60_000 } },
    fileParallelism: false,
  },
})
