import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startTestService } from '../../support/service/test-service.ts'

test('prints the channels of the configured service with its plugins, without starting it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'plugin-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'greeting.mjs')
  writeFileSync(file, 'export default ({ channels }) => (bus) => { bus.requester(channels.getSecret) }')

  const args = ['channels', '--format', 'json', '--auth-token-file', '/no/such/file', '--plugin', file]
  const program = startTestService(args) // neither a region nor credentials

  expect(await program.exited).toBe(0)
  expect(program.stderr).toEqual([])
  expect(JSON.parse(program.stdout.join('\n'))).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        channel: 'secret.get',
        usedBy: expect.arrayContaining([basename(file, '.mjs'), 'secret-routes']),
      }),
      expect.objectContaining({ channel: 'client.identify', handlers: [expect.objectContaining({ name: 'clients' })] }),
    ]),
  )
})

test('prints only the named channels', async () => {
  const program = startTestService(['channels', 'health.*', '--format', 'json', 'secret.get'])

  expect(await program.exited).toBe(0)
  const shown: { channel: string }[] = JSON.parse(program.stdout.join('\n'))
  expect(shown.map(({ channel }) => channel)).toEqual(['health.check', 'secret.get'])
})

test.for<[string[], string]>([
  [['channels', 'unknown', 'secret.get'], 'Unknown channel: "unknown"'],
  [['channels', 'unknown.*'], 'Unknown channel: "unknown.*"'],
  [['channels', '--format', 'x'], '--format must be one of table, json, mermaid, received "x"'],
  [['channels', '--format'], '--format requires a value'],
  [['serve', '--format', 'json'], 'Unknown argument: format'],
])('rejects %j in one line', async ([args, line]) => {
  const program = startTestService(args)

  expect(await program.exited).toBe(64)
  expect(program.stderr).toEqual([`secret-bus: ${line}`])
})
