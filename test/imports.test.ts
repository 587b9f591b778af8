/** Who may import whom. What is not allowed here does not need to be known there. */
import { globSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, matchesGlob, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../src', import.meta.url))
const aws = ['@aws-sdk/*', '@smithy/**']
const shared = ['bus/*', 'channels.ts', 'secret.ts', 'option-errors.ts', 'option-files.ts']

/** The first line that matches a file decides. Node's own modules and a folder's own files are free to all. */
const allowed: [files: string, imports: string[]][] = [
  ['bus/*', ['bus/*', 'mitt', 'pino']],
  ['secret.ts', []],
  ['channels.ts', ['bus/channel.ts', 'secret.ts', 'fastify']],
  ['handlers/*', ['handlers/*', ...shared, 'fastify', '@fastify/*', 'prom-client']],
  ['sources/*', ['sources/*', ...shared, ...aws, 'undici', 'dynalite']],
  [
    'service.ts',
    [
      'bus/*',
      'handlers/*',
      'sources/*',
      'option-errors.ts',
      'option-types.ts',
      'option-values.ts',
      'options.ts',
      'package.ts',
      'pino',
    ],
  ],
  ['option*.ts', ['option*.ts', 'bus/errors.ts', 'bus/lifecycle.ts', 'secret.ts']],
  ['command-line.ts', ['option*.ts', 'bus/topology-formats.ts', 'yargs']],
  ['read-options.ts', ['option*.ts', 'command-line.ts', 'bus/errors.ts', 'secret.ts']],
  ['logger.ts', ['bus/errors.ts', 'pino', 'pino-pretty']],
  ['package.ts', []],
  ['healthcheck.ts', ['bus/errors.ts', 'option-errors.ts', 'undici']],
  [
    'testing/*',
    [
      'testing/*',
      'bus/*',
      'handlers/limits.ts',
      'handlers/server.ts',
      'option*.ts',
      'package.ts',
      'plugins.ts',
      'read-options.ts',
      'service.ts',
      'pino',
    ],
  ],
  ['testing.ts', ['testing/*']],
  ['plugins.ts', ['bus/*', 'channels.ts', 'handlers/problem.ts', 'option*.ts', 'secret.ts']],
  [
    'main.ts',
    [
      'bus/process-bus.ts',
      'bus/topology.ts',
      'bus/topology-formats.ts',
      'service.ts',
      'plugins.ts',
      'healthcheck.ts',
      '*option*.ts',
      'command-line.ts',
      'logger.ts',
      'package.ts',
      'bus/errors.ts',
    ],
  ],
  ['index.ts', ['bus/*', 'channels.ts', 'handlers/problem.ts', 'plugins.ts', 'secret.ts']],
]

/** Where a type is all that is taken, nothing is at run time. */
const onlyTypes: [file: string, specifier: string][] = [
  ['channels.ts', 'fastify'],
  ['service.ts', 'options.ts'],
  ['plugins.ts', 'options.ts'],
  ['command-line.ts', 'bus/topology-formats.ts'],
  ['main.ts', 'bus/process-bus.ts'],
  ['main.ts', 'bus/topology.ts'],
  ['service.ts', 'package.ts'],
  ['service.ts', 'pino'],
  ['bus/log.ts', 'pino'],
  ['index.ts', 'plugins.ts'],
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
  test('are found where they are known to be', () => {
    const found = (file: string) => imports.filter((entry) => entry.file === file).map(({ target }) => target)
    expect(found('bus/roster.ts')).toEqual(['mitt', 'bus/call.ts', 'bus/channel.ts'])
    expect(found('sources/embedded-dynamodb.ts')).toContain('dynalite')
    expect(found('service.ts')).toContain('handlers/server.ts')
  })

  test.for(files)('of %s are allowed', (file) => {
    const [, may = []] = allowed.find(([pattern]) => matchesGlob(file, pattern)) ?? []
    const forbidden = imports
      .filter((entry) => entry.file === file && !isBuiltin(entry.target))
      .filter(({ target }) => !may.some((pattern) => target === pattern || matchesGlob(target, pattern)))
    expect(forbidden).toEqual([])
  })

  test.for(onlyTypes)('%s takes only types from %s', ([file, target]) => {
    const taken = imports.filter((entry) => entry.file === file && entry.target === target)
    expect(taken).not.toEqual([])
    expect(taken.filter(({ typeOnly }) => !typeOnly)).toEqual([])
  })

  test('mitt is touched in one file, the environment in one, and nothing imports main.ts', () => {
    const importers = (target: string) => imports.filter((entry) => entry.target === target).map(({ file }) => file)
    expect(importers('mitt')).toEqual(['bus/roster.ts'])
    expect(importers('main.ts')).toEqual([])
    const readers = files.filter((file) => /\bprocess\.env\b/.test(readFileSync(join(root, file), 'utf8')))
    expect(readers).toEqual(['main.ts'])
  })
})
