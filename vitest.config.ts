import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** Tests that start many processes. The system tests include them, so that the others take less than three minutes. */
export const processTests = [
  'test/project/snippets.test.ts',
  'test/service/{faults,main}.test.ts',
  'test/runtime/logger.test.ts',
  'test/runtime/plugins/*.test.ts',
  'examples/{oidc,fleet-reload}/*.test.ts',
]

export default defineConfig({
  // Examples and documents import the packages by name; resolve them to the sources.
  resolve: {
    alias: {
      '@secret-bus/bus': fileURLToPath(new URL('src/bus/index.ts', import.meta.url)),
      'secret-bus/testing': fileURLToPath(new URL('src/testing.ts', import.meta.url)),
      'secret-bus': fileURLToPath(new URL('src/index.ts', import.meta.url)),
    },
  },
  test: {
    include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
    exclude: ['test/{system,infra,fuzz}/**', ...processTests],
    testTimeout: 20_000,
    maxWorkers: '150%', // most tests wait for child processes or sockets
    expect: { poll: { timeout: 5_000 } },
    // Tests must not use the AWS credentials of the machine that runs them.
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
