import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { startService } from '../../src/testing/service.ts'

const installed = spawnSync('promtool', ['--version']).status === 0
if (!installed) process.stdout.write('promtool is not installed: skipping the check of the metrics\n')

test.runIf(installed)('the metrics of a running service pass promtool without a warning', async () => {
  await using service = await startService({}, { embedded: true })
  for (const path of ['/secret', '/ready', '/nothing']) await (await fetch(`${service.origin}${path}`)).text()
  const input = await (await fetch(`${service.origin}/metrics`)).text()

  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })

  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
})
