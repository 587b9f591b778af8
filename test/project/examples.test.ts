/** Runs the examples as plugins of the program. Each example has its own test for its behavior. */
import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startTestService } from '../support/service/test-service.ts'

const root = fileURLToPath(new URL('../../examples/', import.meta.url))
const examples = globSync('*/', { cwd: root }).toSorted()
const plugins = examples.flatMap((name) => ['mjs', 'ts'].map((end) => `${name}/${basename(name)}.${end}`))
const secretsFile = join(root, 'file-source/secrets.json')

test.each(['mjs', 'ts'])('all examples work together in the program, as .%s files', async (end) => {
  const folder = await mkdtemp(join(tmpdir(), 'examples-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const auditFile = join(folder, 'accesses')
  const files = plugins.filter((file) => file.endsWith(end)).flatMap((file) => ['--plugin', join(root, file)])
  const env = { SECRETS_FILE: secretsFile, AUDIT_FILE: auditFile }
  const service = startTestService(['--without', 'dynamodb', ...files], env)
  const origin = await service.address()

  const greeting = await (await fetch(`${origin}/greeting/Rose`)).json()
  const secret = await (await fetch(`${origin}/secret`)).json()
  service.child.kill('SIGTERM')

  expect(await service.exited).toBe(0)
  expect(service.stderr).toEqual([])
  expect(greeting).toEqual({ greeting: 'Hello, Rose!' })
  expect(secret).toEqual({ secret_code: JSON.parse(await readFile(secretsFile, 'utf8')).thedoctor })
  const accesses = (await readFile(auditFile, 'utf8')).trimEnd().split('\n')
  expect(accesses.map((line) => JSON.parse(line))).toMatchObject([{ codeName: 'thedoctor', status: 200 }])
})

describe.each(plugins)('%s', (file) => {
  const source = readFileSync(join(root, file), 'utf8')

  test('imports only Node.js modules at run time', () => {
    const imported = [...source.matchAll(/^import (?!type\b).*?from '([^']+)'/gms)].map(([, from]) => from)
    expect(imported.filter((from) => !from?.startsWith('node:'))).toEqual([])
  })

  test('is documented in its README, with the path to run it from', () => {
    expect(readFileSync(join(root, file, '../README.md'), 'utf8')).toContain(`examples/${file}`)
  })
})

test('the greeting example has at most 25 lines', () => {
  for (const file of plugins.filter((file) => file.startsWith('greeting')))
    expect(readFileSync(join(root, file), 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(25)
})
