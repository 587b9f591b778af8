/** Runs the unit tests of the Prometheus alerts with promtool, and mutates the alerts to test the tests. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { snippetsIn } from '../support/project/snippets.ts'

const installed = spawnSync('promtool', ['--version']).status === 0
if (!installed) process.stdout.write('promtool is not installed: skipping the tests of the alerts\n')

interface UnitTests {
  readonly tests: readonly { readonly name: string }[]
}

const rules = await readFile('infra/prometheus/rules.yaml', 'utf8')
const unitTests: UnitTests = parse(await readFile('infra/prometheus/rules.test.yaml', 'utf8'))
const alerts: string[] = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name)

const promtool = (...args: string[]) => promisify(execFile)('promtool', args)

/** Runs the unit tests of one alert with changed rules. */
async function testWith(changed: string, alert: string) {
  const folder = await mkdtemp(join(tmpdir(), 'alerts-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const tests = unitTests.tests.filter(({ name }) => name.startsWith(`${alert}:`))
  await writeFile(join(folder, 'rules.yaml'), changed)
  await writeFile(join(folder, 'rules.test.yaml'), stringify({ ...unitTests, tests }, { aliasDuplicateObjects: false }))
  return promtool('test', 'rules', join(folder, 'rules.test.yaml'))
}

/** Replaces the first `from` after the name of the alert with `to`. The tests of the alert must then fail. */
const mutants: readonly (readonly [alert: string, mutant: string, from: string, to: string])[] = [
  ['SecretBusDown', 'covers instances of other jobs', 'up{job="secret-bus"} == 0', 'up == 0'],
  ['SecretBusDown', 'ignores an empty fleet', 'or absent(up{job="secret-bus"})', ''],
  ['SecretBusDown', 'fires at the first failed scrape', 'for: 2m', 'for: 0m'],
  ['SecretBusNotReady', 'fires while an instance starts', 'for: 2m', 'for: 1m'],
  ['SecretBusNotReady', 'watches another metric', 'secret_bus_ready', 'secret_bus_state'],
  ['SecretBusServerErrors', 'has a higher threshold', '> 0.05', '> 0.15'],
  ['SecretBusServerErrors', 'has a lower threshold', '> 0.05', '> 0.03'],
  ['SecretBusServerErrors', 'fires at one failure', '>= 3', '>= 1'],
  ['SecretBusServerErrors', 'counts probes', '/(ready|health|metrics)', '/(health|metrics)'],
  ['SecretBusServerErrors', 'does not count 502', '5..', '500'],
  ['SecretBusLoadShedding', 'watches another metric', 'requests_shed', 'malformed_requests'],
  ['SecretBusLoadShedding', 'fires without rejected requests', '> 0', '>= 0'],
  ['SecretBusLoadShedding', 'fires at once', 'for: 2m', 'for: 0m'],
  ['SecretBusRefreshFailing', 'fires despite a success', 'outcome="ok"', 'outcome="success"'],
  ['SecretBusRefreshFailing', 'ignores failures', 'outcome!="ok"', 'outcome="error"'],
  ['SecretBusRefreshFailing', 'fires at once', 'for: 2m', 'for: 0m'],
  ['SecretBusSourceSlow', 'has a lower threshold', '> 0.5', '> 0.3'],
  ['SecretBusSourceSlow', 'has a higher threshold', '> 0.5', '> 0.7'],
  ['SecretBusSourceSlow', 'counts all calls', '{channel="secret.fetch"}', ''],
  ['SecretBusSourceSlow', 'fires at once', 'for: 2m', 'for: 0m'],
  ['SecretBusValueStale', 'covers a TTL below one second', '>= 1', '>= 0'],
  ['SecretBusValueStale', 'has a higher threshold', '_age_seconds', '_age_seconds / 100'],
  ['SecretBusValueStale', 'fires at once', 'for: 1m', 'for: 0m'],
  ['SecretBusClientsStale', 'has a lower threshold', '> 300', '> 299'],
  ['SecretBusClientsStale', 'has a higher threshold', '> 300', '> 3000'],
  ['SecretBusClientsRejected', 'has a higher threshold', '> 0.1', '> 0.25'],
  ['SecretBusClientsRejected', 'has a lower threshold', '> 0.1', '> 0.01'],
  ['SecretBusClientsRejected', 'fires at one request', '>= 3', '>= 1'],
  ['SecretBusClientsRejected', 'counts scrapes', '/(ready|health|metrics)', '/(ready|health)'],
  ['SecretBusOldTokenInUse', 'covers clients with one token', '> 1', '> 0'],
  ['SecretBusOldTokenInUse', 'treats instances as tokens', '(job, client, token)', '(job, client, token, instance)'],
  ['SecretBusOldTokenInUse', 'fires during a rotation', 'for: 1d', 'for: 1h'],
  ['SecretBusUnnamedTokenInUse', 'covers a client that is named so', '[0-9a-f]{8}', '.*'],
  ['SecretBusUnnamedTokenInUse', 'covers unused tokens', '> 0', '>= 0'],
  ['SecretBusLogLinesDropped', 'fires without lost lines', '> 0', '>= 0'],
  ['SecretBusLogLinesDropped', 'never ends', '[10m]', '[1h]'],
  ['SecretBusCertificateExpiresSoon', 'fires earlier', '14 *', '16 *'],
  ['SecretBusCertificateExpiresSoon', 'fires later', '14 *', '12 *'],
  ['SecretBusCertificateExpiresSoon', 'fires at once', 'for: 10m', 'for: 0m'],
  ['SecretBusCertificateExpired', 'fires earlier', '< 86400', '< 864000'],
  ['SecretBusCertificateExpired', 'fires later', '< 86400', '< 600'],
  ['SecretBusClientCaExpiresSoon', 'fires earlier', '30 *', '40 *'],
  ['SecretBusClientCaExpiresSoon', 'fires later', '30 *', '20 *'],
  ['SecretBusClientCaExpiresSoon', 'fires at once', 'for: 10m', 'for: 0m'],
]

describe.runIf(installed)('the alerts', () => {
  test('pass the check of promtool', async () => {
    expect((await promtool('check', 'rules', 'infra/prometheus/rules.yaml')).stdout).toContain('SUCCESS')
  })

  test('pass their unit tests', async () => {
    expect((await promtool('test', 'rules', 'infra/prometheus/rules.test.yaml')).stdout).toContain('SUCCESS')
  })

  test('are loaded with the configuration that OPERATIONS.md shows', async () => {
    const document = await readFile('docs/OPERATIONS.md', 'utf8')
    const [example] = snippetsIn('docs/OPERATIONS.md', document).filter(({ file }) => file === 'prometheus.yml')
    const folder = await mkdtemp(join(tmpdir(), 'alerts-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'rules.yaml'), rules)
    await writeFile(join(folder, 'prometheus.yml'), example?.code ?? '')

    const { stdout } = await promtool('check', 'config', '--syntax-only', join(folder, 'prometheus.yml'))

    expect(stdout).toContain(`SUCCESS: ${join(folder, 'prometheus.yml')} is valid`)
  })

  test.each(alerts)('%s has expectations in which it fires and in which it does not', (alert) => {
    const expectations = unitTests.tests.filter(({ name }) => name.startsWith(`${alert}:`)).map((one) => stringify(one))
    expect(expectations.join('')).toContain(`alertname="${alert}"`)
    expect(expectations.join('')).toContain('exp_samples: []')
  })

  test.concurrent.each(mutants)('%s fails its unit tests if it %s', async (alert, _, from, to) => {
    const [before = '', after = ''] = rules.split(`- alert: ${alert}\n`)
    const [rule = '', ...others] = after.split(/(?=\n *- alert: )/)
    expect(rule).toContain(from)
    const changed = `${before}- alert: ${alert}\n${rule.replaceAll(from, () => to)}${others.join('')}`

    await expect(testWith(changed, alert)).rejects.toThrow('FAILED')
  })

  test('each have a mutant', () => {
    expect([...new Set(mutants.map(([alert]) => alert))]).toEqual(alerts)
  })
})
