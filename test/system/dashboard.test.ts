/** Runs all queries of the dashboard and all alerts in a real Prometheus server that scrapes services under load. */
import { hash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { drawDashboard, type Line, legend, type Panel, queriesOf } from '../../docs/draw-dashboard.ts'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { replyWith, startFaultyDynamodb } from '../support/dynamodb/faulty-dynamodb.ts'
import { certificateFiles, clientOf, newCertificate, type TestCertificate } from '../support/http/certificate.ts'
import { prometheusInstalled, startPrometheus } from '../support/prometheus.ts'
import { startTestService } from '../support/service/test-service.ts'
import { temporaryFile } from '../support/temporary-file.ts'

if (!prometheusInstalled) process.stdout.write('Prometheus is not installed: skipping the test of the dashboard\n')

/** Where to draw the dashboard, and after how many seconds. Only to update the picture in the documents. */
const { DASHBOARD_SVG: picture, DASHBOARD_SECONDS: duration = '0' } = process.env

const dashboard: { readonly title: string; readonly panels: readonly Panel[] } = JSON.parse(
  await readFile('infra/grafana/dashboard.json', 'utf8'),
)
const variables = { job: 'secret-bus', instance: '.+', __rate_interval: '5s' }

/** The instances of the test accept any client with a token, so this metric has no data. */
const onlyWithClientCa = 'secret_bus_tls_client_ca_expiry_timestamp_seconds'

const sha256 = (token: string) => `sha256:${hash('sha256', token)}`

const clients = [
  { name: 'billing', tokens: ['new-token', 'old-token'].map(sha256), secrets: ['*'] },
  { name: 'batch', tokens: ['batch-token'].map(sha256), secrets: ['*'], rate: 1 },
  { name: 'prometheus', tokens: ['prometheus-token'].map(sha256), may: ['metrics'] },
]

const throttling = replyWith(
  '{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}',
  400,
)

/** Two instances that use HTTPS, and read a DynamoDB table that fails on demand. */
async function startFleet(certificate: TestCertificate) {
  const emulator = await startDynamodb()
  onTestFinished(emulator.close)
  await emulator.putSecret('thedoctor', 'run')
  await emulator.putSecret('river', 'spoilers')
  const dynamodb = await startFaultyDynamodb(emulator.endpoint)
  const { options: files } = await certificateFiles(certificate)
  const document = await temporaryFile(JSON.stringify({ clients }))
  const args = ['--code-name', 'thedoctor', '--code-name', 'river', '--cache-ttl', '4s', '--clients', document]
  const tls = ['--tls-cert', files.tlsCert, '--tls-key', files.tlsKey]
  const more = ['--dynamodb-endpoint', dynamodb.endpoint, '--log-format', 'json', '--max-attempts', '1']
  const services = [1, 2].map(() => startTestService([...args, ...tls, ...more], credentials))
  return { dynamodb, origins: await Promise.all(services.map((service) => service.address())) }
}

/** Sends requests of all kinds to the instance until the test ends. */
function load(origin: string, certificate: TestCertificate): void {
  const send = clientOf(origin, certificate)
  const kinds: [path: string, token: string][] = [
    ...Array.from({ length: 8 }, (): [path: string, token: string] => ['/secret', 'new-token']),
    ['/secret/river', 'old-token'],
    ['/secret/nothing', 'new-token'],
    ['/secret', 'unknown-token'],
    ['/metrics', 'batch-token'],
    ['/secret', 'batch-token'],
    ['/ready', ''],
  ]
  let running = true
  const request = async (path: string, token: string, headers = {}) => {
    if (running) await send(path, { headers: { authorization: `Bearer ${token}`, ...headers } }).catch(() => {})
    await setTimeout(5)
  }
  const sending = (async () => {
    for (let round = 0; running; round += 1) {
      for (const [path, token] of kinds) await request(path, token)
      // 504, but seldom: the picture should show a healthy service.
      if (round % 20 === 0) await request('/secret', 'new-token', { 'cache-control': 'only-if-cached, max-age=0' })
    }
  })()
  onTestFinished(async () => {
    running = false
    await sending
  })
}

const now = () => Date.now() / 1_000

test.runIf(prometheusInstalled)(
  'each query of the dashboard has data, and each alert is evaluated',
  async () => {
    const certificate = await newCertificate()
    const { dynamodb, origins } = await startFleet(certificate)
    const prometheus = await startPrometheus(
      origins.map((origin) => new URL(origin).host),
      { token: 'prometheus-token', rules: 'infra/prometheus/rules.yaml' },
    )
    const start = now()
    for (const origin of origins) load(origin, certificate)
    const read = async (query: string, range: Parameters<typeof prometheus.series>[1]) =>
      (await prometheus.series(query, range)).map(({ metric, values }) => ({
        metric,
        points: values.map(([time, value]): [number, number] => [time, Number(value)]),
      }))
    const queries = queriesOf(dashboard.panels, variables)

    const withoutData = async () => {
      const range = { start: now() - 10, end: now(), step: 1 }
      const results = await Promise.all(
        queries.map(async (query) => ({ ...query, lines: await read(query.query, range) })),
      )
      const hasData = (points: [number, number][]) => points.some(([, value]) => Number.isFinite(value))
      return results.filter(({ lines }) => !lines.some(({ points }) => hasData(points))).map(({ query }) => query)
    }
    expect(queries.length).toBeGreaterThan(30)
    await expect.poll(withoutData, { interval: 1_000 }).toEqual([expect.stringContaining(onlyWithClientCa)])

    await setTimeout(Number(duration) * 400)
    await dynamodb.injectFaults({ thedoctor: throttling })
    const active = async () =>
      (await prometheus.rules()).filter(({ alerts }) => alerts.length > 0).map(({ name }) => name)
    /** The query of the alert with a shorter time: the last success may be only seconds ago. */
    const failingRefreshes = async () => {
      const { query = '' } = (await prometheus.rules()).find(({ name }) => name === 'SecretBusRefreshFailing') ?? {}
      const range = { start: now(), end: now(), step: 1 }
      return (await prometheus.series(query.replaceAll('[5m]', '[10s]'), range)).map(
        ({ metric }) => metric['code_name'],
      )
    }
    await expect
      .poll(active, { interval: 1_000 })
      .toEqual(expect.arrayContaining(['SecretBusValueStale', 'SecretBusOldTokenInUse']))
    await expect.poll(failingRefreshes, { interval: 1_000 }).toContain('thedoctor')
    await setTimeout(Number(duration) * 100)
    await dynamodb.clearFaults()
    await expect.poll(active, { interval: 1_000 }).not.toContain('SecretBusValueStale')

    const rules = await prometheus.rules()
    expect(rules.map(({ health, lastError }) => [health, lastError])).toEqual(rules.map(() => ['ok', undefined]))
    for (const { query } of rules) await prometheus.read('query', { query })
    await setTimeout(Number(duration) * 400)

    const drawn = new Map<number, Line[]>()
    const range = { start: start + 5, end: now(), step: Math.max(1, Math.round((now() - start) / 100)) }
    for (const { id, query, legendFormat } of queries) {
      const lines = (await read(query, range)).map(({ metric, points }) => ({
        name: legend(legendFormat, metric),
        points,
      }))
      drawn.set(id, [...(drawn.get(id) ?? []), ...lines])
    }
    const svg = drawDashboard(dashboard.title, dashboard.panels, drawn)
    for (const { title } of dashboard.panels) expect(svg).toContain(`>${title}<`)
    expect(svg).not.toContain('No data')
    expect(svg).not.toMatch(/undefined|NaN/)
    if (picture !== undefined) await writeFile(picture, svg)
  },
  600_000,
)
