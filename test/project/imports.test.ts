/** Checks which module may import which. An import that is not listed here is forbidden. */
import { globSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, matchesGlob, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../src', import.meta.url))
const bus = 'bus/**'
const reading = ['runtime/options/files.ts', 'runtime/watch-files.ts']
const shared = [
  bus,
  'metrics/**',
  'channels.ts',
  'client.ts',
  'rights.ts',
  'diagnostics.ts',
  'errors.ts',
  'freshness.ts',
  'secret.ts',
  ...reading,
]
/** The declaration of options, and the types of a service. */
const declaring = ['runtime/options/option.ts', 'runtime/options/types.ts', 'runtime/define-service.ts']

/** The first pattern that matches a file applies. Node's own modules are always allowed. */
const allowed: [files: string, imports: string[]][] = [
  ['bus/**', [bus, 'mitt']],
  ['freshness.ts', []],
  ['secret.ts', ['freshness.ts']],
  ['client.ts', ['secret.ts']],
  ['errors.ts', []],
  ['self.ts', []],
  ['channels.ts', ['bus/channel.ts', 'client.ts', 'secret.ts', 'fastify']],
  ['diagnostics.ts', [bus]],
  ['rights.ts', [bus, 'channels.ts', 'client.ts', 'errors.ts']],
  ['metrics/**', ['metrics/**', 'channels.ts']],
  ['handlers/**', ['handlers/**', ...shared, 'fastify', '@fastify/*', 'find-my-way', 'prom-client']],
  ['sources/**', ['sources/**', ...shared, '@aws-sdk/*', '@smithy/**', 'undici', 'dynalite', 'ajv']],
  ['http.ts', [bus, 'http-subscribers.ts', 'secrets.ts', 'runtime/cli/new-token.ts', ...declaring]],
  ['http-subscribers.ts', ['handlers/**', 'sources/clients/clients.ts', 'sources/identity.ts', bus, 'http.ts']],
  ['secret-options.ts', declaring],
  ['secret-subscribers.ts', ['sources/**', bus, 'errors.ts', 'secret-options.ts', 'secrets.ts']],
  ['secrets.ts', [bus, 'secret-options.ts', 'secret-subscribers.ts', ...declaring]],
  [
    'service.ts',
    [
      'handlers/**',
      'http.ts',
      'secrets.ts',
      'secret-options.ts',
      'runtime/package.ts',
      'runtime/cli/new-service.ts',
      ...declaring,
    ],
  ],
  [
    'tracing/**',
    [
      'tracing/**',
      ...shared,
      'handlers/trace-context.ts',
      'handlers/traceparent.ts',
      'handlers/server/client-address.ts',
      'handlers/server/hook-priority.ts',
      'handlers/server/node/response.ts',
      'fastify',
      '@opentelemetry/*',
    ],
  ],
  ['runtime/**', ['runtime/**', ...shared, 'self.ts', 'yargs', 'undici', 'pino', 'pino-pretty']],
  [
    'testing/*',
    [
      'testing/*',
      bus,
      'channels.ts',
      'errors.ts',
      'service.ts',
      'handlers/server/http-server.ts',
      'handlers/server/limits.ts',
      'runtime/**',
      'pino',
    ],
  ],
  ['testing.ts', ['testing/*']],
  ['main.ts', ['service.ts', 'runtime/run.ts']],
  [
    'index.ts',
    [
      bus,
      'metrics/**',
      'channels.ts',
      'freshness.ts',
      'client.ts',
      'rights.ts',
      'secret.ts',
      'http.ts',
      'secrets.ts',
      'handlers/**',
      'runtime/**',
      'sources/cache/*',
      'sources/clients/pattern.ts',
      'sources/upstream/*',
    ],
  ],
]

/** What the parts of `runtime` import in addition to each other and to what all parts share. */
const runtimeImports: [file: string, imports: string[]][] = [
  ['runtime/assemble.ts', ['handlers/metrics/log-metrics.ts']],
  ['runtime/run.ts', ['tracing/start.ts']],
  [
    'runtime/plugins/plugin.ts',
    ['http.ts', 'handlers/server/request-error.ts', 'handlers/trace-context.ts', 'secrets.ts'],
  ],
]

/** Imports of which only types are used, so that nothing is loaded at run time. */
const onlyTypes: [file: string, specifier: string][] = [
  ['channels.ts', 'fastify'],
  ['metrics/counter.ts', 'channels.ts'],
  ['metrics/histogram.ts', 'channels.ts'],
  ['sources/upstream/response.ts', 'undici'],
  ['handlers/server/http-server.ts', 'fastify'],
  ['http.ts', 'runtime/define-service.ts'],
  ['http.ts', 'secrets.ts'],
  ['client.ts', 'secret.ts'],
  ['secrets.ts', 'runtime/define-service.ts'],
  ['secret-subscribers.ts', 'secrets.ts'],
  ['runtime/assemble.ts', 'pino'],
  ['runtime/plugins/plugin.ts', 'secrets.ts'],
  ['runtime/cli/command-line.ts', 'bus/topology/formats.ts'],
  ['runtime/run.ts', 'bus/process/process-bus.ts'],
  ['index.ts', 'runtime/plugins/plugin.ts'],
]

const statement = /^(?:import|export)(?<type> type)?\b[^'"]*?\bfrom '(?<from>[^']+)'|\bimport\('(?<dynamic>[^']+)'\)/gms

interface Import {
  readonly file: string
  /** A path below `src`, or the name of a package. */
  readonly target: string
  readonly typeOnly: boolean
}

const files = globSync('**/*.ts', { cwd: root })
const imports = files.flatMap((file): Import[] => {
  const source = readFileSync(join(root, file), 'utf8')
  return [...source.matchAll(statement)].map(({ groups = {} }) => {
    const specifier = groups['from'] ?? groups['dynamic'] ?? ''
    const target = specifier.startsWith('.') ? relative('.', join(dirname(file), specifier)) : specifier
    return { file, target, typeOnly: groups['type'] !== undefined }
  })
})
const isBuiltin = (target: string) => target.startsWith('node:') || builtinModules.includes(target)

describe('imports', () => {
  test('are found in known modules', () => {
    const found = (file: string) => imports.filter((entry) => entry.file === file).map(({ target }) => target)
    expect(found('bus/registry.ts')).toEqual(['mitt', 'bus/call.ts', 'bus/channel.ts', 'bus/pending-calls.ts'])
    expect(found('sources/dynamodb/embedded-dynamodb.ts')).toContain('dynalite')
    expect(found('http-subscribers.ts')).toContain('handlers/server/http-server.ts')
  })

  test.for(files)('of %s are allowed', (file) => {
    const [, general = []] = allowed.find(([pattern]) => matchesGlob(file, pattern)) ?? []
    const [, additional = []] = runtimeImports.find(([path]) => path === file) ?? []
    const patterns = [...general, ...additional]
    const forbidden = imports
      .filter((entry) => entry.file === file && !isBuiltin(entry.target))
      .filter(({ target }) => !patterns.some((pattern) => target === pattern || matchesGlob(target, pattern)))
    expect(forbidden).toEqual([])
  })

  test.for(onlyTypes)('%s imports only types from %s', ([file, target]) => {
    const found = imports.filter((entry) => entry.file === file && entry.target === target)
    expect(found).not.toEqual([])
    expect(found.filter(({ typeOnly }) => !typeOnly)).toEqual([])
  })

  test('of mitt and uses of the environment are in one file each, and nothing imports main.ts', () => {
    const importers = (target: string) => imports.filter((entry) => entry.target === target).map(({ file }) => file)
    expect(importers('mitt')).toEqual(['bus/registry.ts'])
    expect(importers('main.ts')).toEqual([])
    const readers = files.filter((file) => /\bprocess\.env\b/.test(readFileSync(join(root, file), 'utf8')))
    expect(readers).toEqual(['runtime/run.ts'])
  })
})
