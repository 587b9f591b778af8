/** A real Prometheus server in a child process. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { onTestFinished, vi } from 'vitest'
import { stringify } from 'yaml'
import { steadyPort } from './http/haproxy.ts'

export const prometheusInstalled = spawnSync('prometheus', ['--version']).status === 0

/** One series of the result of a query, with its `[time in seconds, value]` pairs. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly (readonly [time: number, value: string])[]
}

export interface AlertRule {
  readonly name: string
  readonly health: string
  readonly lastError?: string
  readonly query: string
  readonly alerts: readonly { readonly labels: Readonly<Record<string, string>>; readonly state: string }[]
}

export interface Prometheus {
  /** Reads the API, such as `query`. Throws the message of an error response. */
  read(path: string, parameters?: Readonly<Record<string, string>>): Promise<unknown>
  /** The series of a query from `start` until `end`, in seconds. */
  series(
    query: string,
    range: { readonly start: number; readonly end: number; readonly step: number },
  ): Promise<Series[]>
  rules(): Promise<AlertRule[]>
}

/**
 * Starts the server. It scrapes the targets every second, and is killed when the test ends.
 * @param targets `host:port` of HTTPS servers, whose certificate it does not verify
 * @param options.token its bearer token
 * @param options.rules path of the file with the alerts
 */
export async function startPrometheus(
  targets: readonly string[],
  options: { readonly token: string; readonly rules: string },
): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'prometheus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const port = await steadyPort()
  const configuration = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [resolve(options.rules)],
    scrape_configs: [
      {
        job_name: 'secret-bus',
        scheme: 'https',
        tls_config: { insecure_skip_verify: true },
        authorization: { credentials: options.token },
        static_configs: [{ targets }],
      },
    ],
  }
  await writeFile(join(folder, 'prometheus.yml'), stringify(configuration))
  const args = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ]
  const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(child, 'close')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const stderr = text(child.stderr)
  const ready = async () => {
    if (child.exitCode !== null) throw new Error(`Prometheus exited:\n${await stderr}`)
    if (!(await fetch(`http://127.0.0.1:${port}/-/ready`)).ok) throw new Error('Prometheus is not ready')
  }
  await vi.waitFor(ready, { timeout: 30_000 })

  const read: Prometheus['read'] = async (path, parameters = {}) => {
    const reply = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(parameters)}`)
    const { status, error, data } = (await reply.json()) as { status: string; error?: string; data: unknown }
    if (status !== 'success') throw new Error(`Failed to query Prometheus: ${error}`)
    return data
  }
  return {
    read,
    series: async (query, { start, end, step }) => {
      const data = await read('query_range', { query, start: `${start}`, end: `${end}`, step: `${step}` })
      return (data as { result: Series[] }).result
    },
    rules: async () => {
      const { groups } = (await read('rules')) as { groups: { rules: AlertRule[] }[] }
      return groups.flatMap(({ rules }) => rules)
    },
  }
}
