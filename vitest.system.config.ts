import { defineConfig } from 'vitest/config'
import unitTests, { processTests } from './vitest.config.ts'

/**
 * Tests that require Docker, HAProxy, Chromium, promtool, Redis, the AWS CLI or Java, and those that take long. Files run
 * sequentially, because compose uses a fixed port.
 */
export default defineConfig({
  resolve: unitTests.resolve ?? {},
  test: {
    env: unitTests.test?.env ?? {},
    include: ['test/{system,infra,fuzz}/*.test.ts', ...processTests],
    testTimeout: 120_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 60_000 } },
    fileParallelism: false,
  },
})
