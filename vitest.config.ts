import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/container/**'],
    testTimeout: 20_000,
    maxWorkers: '100%', // most of them wait for what they have started
    expect: { poll: { timeout: 5_000 } },
    // No test asks a real AWS, or takes its credentials from whoever runs it.
    env: {
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_CONFIG_FILE: '/dev/null',
    },
    coverage: {
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.d.ts'],
      reporter: ['text', 'html'],
      thresholds: { lines: 95, branches: 90 },
    },
  },
})
