/** Checks which module may import which. An import that is not listed here is forbidden. */
import { globSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, matchesGlob, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../src', import.meta.url))
const bus = 'bus/**'
const shared = [bus, 'channels.ts', 'errors.ts', 'secret.ts', 'runtime/options/files.ts']

/** The first pattern that matches a file applies. Node's own modules are always allowed. */
const allowed: [files: string, imports: string[]][] = [
  ['bus/**', [bus, 'mitt']],
  ['secret.ts', []],
  ['errors.ts', []],
  ['channels.ts', ['bus/channel.ts', 'secret.ts', 'fastify']],
  ['handlers/**', ['handlers/**', ...shared, 'fastify', '@fastify/*', 'find-my-way', 'prom-client']],
  ['sources/**', ['sources/**', ...shared, '@aws-sdk/*', '@smithy/**', 'undici', 'dynalite']],
  ['service.ts', [bus, 'handlers/**', 'sources/**', 'errors.ts', 'runtime/options/*', 'runtime/package.ts', 'pino']],
  ['runtime/options/*', ['runtime/options/*', 'runtime/cli/command-line.ts', bus, 'errors.ts', 'secret.ts']],
  ['runtime/cli/command-line.ts', ['runtime/options/*', 'bus/topology/formats.ts', 'errors.ts', 'yargs']],
  ['runtime/cli/channels.ts', ['bus/topology/*', 'errors.ts']],
  ['runtime/cli/healthcheck.ts', ['bus/errors.ts', 'errors.ts', 'undici']],
  ['runtime/logger.ts', ['runtime/log-output.ts', 'runtime/serialized-error.ts', 'pino', 'pino-pretty']],
  ['runtime/serialized-error.ts', ['bus/errors.ts', 'bus/thrown.ts']],
  ['runtime/package.ts', []],
  ['runtime/log-output.ts', []],
  ['runtime/end-process.ts', ['runtime/log-output.ts']],
  [
    'runtime/plugins.ts',
    [bus, 'channels.ts', 'errors.ts', 'secret.ts', 'handlers/server/problem.ts', 'runtime/options/*'],
  ],
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
  [
    'main.ts',
    ['bus/errors.ts', 'bus/thrown.ts', 'bus/process/process-bus.ts', 'errors.ts', 'service.ts', 'runtime/**'],
  ],
  ['index.ts', ['bus/index.ts', 'channels.ts', 'secret.ts', 'handlers/server/problem.ts', 'runtime/plugins.ts']],
]

/** Imports of which only types are used, so that nothing is loaded at run time. */
const onlyTypes: [file: string, specifier: string][] = [
  ['channels.ts', 'fastify'],
  ['service.ts', 'runtime/options/definitions.ts'],
  ['service.ts', 'runtime/package.ts'],
  ['service.ts', 'pino'],
  ['runtime/plugins.ts', 'runtime/options/definitions.ts'],
  ['runtime/options/load.ts', 'runtime/cli/command-line.ts'],
  ['runtime/cli/command-line.ts', 'bus/topology/formats.ts'],
  ['main.ts', 'bus/process/process-bus.ts'],
  ['index.ts', 'runtime/plugins.ts'],
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
    expect(found('service.ts')).toContain('handlers/server/http-server.ts')
  })

  test.for(files)('of %s are allowed', (file) => {
    const [, patterns = []] = allowed.find(([pattern]) => matchesGlob(file, pattern)) ?? []
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
    expect(readers).toEqual(['main.ts'])
  })
})
