/** Tracing in the process of the service: when the SDK is loaded, and what plugins see of it. */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startOtlpReceiver, treeOf } from '../support/otlp-receiver.ts'
import { startTestService } from '../support/service/test-service.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const main = join(root, 'src/main.ts')

/** A plugin with its own copy of the API, which it uses as soon as it is imported. */
async function pluginFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'tracing-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const api = join(folder, 'node_modules/@opentelemetry/api')
  await cp(join(root, 'node_modules/@opentelemetry/api'), api, { recursive: true })
  // An older version than that of the service. The copies find each other by their version.
  const file = join(api, 'dist/version.mjs')
  const version = await readFile(file, 'utf8')
  expect(version).toMatch(/"1\.\d+\.\d+"/)
  await writeFile(file, version.replace(/"1\.\d+\.\d+"/, '"1.4.0"'))
  await writeFile(
    join(folder, 'plugin.mjs'),
    `import { trace } from '@opentelemetry/api'
    const tracer = trace.getTracer('plugin')
    tracer.startSpan('as it loads').end()
    export default ({ channels }) => (bus) => {
      bus.subscribe(channels.httpRoutes, (app) => {
        app.get('/own', { config: { open: true } }, async () =>
          tracer.startActiveSpan('own', async (span) => {
            await null
            span.end()
            return { active: trace.getActiveSpan() === span }
          }))
      })
    }`,
  )
  return folder
}

describe.for(['src/main.ts', 'bundle/main.js'])('%s', (program) => {
  test('exports the spans of a plugin with a copy of the API of its own', { timeout: 120_000 }, async () => {
    if (program.startsWith('bundle')) await promisify(execFile)('npm', ['run', '-s', 'bundle'], { cwd: root })
    const receiver = await startOtlpReceiver()
    const folder = await pluginFolder()
    const service = startTestService(
      ['--embedded', '--plugin', join(folder, 'plugin.mjs')],
      { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, OTEL_SERVICE_NAME: 'renamed', OTEL_TRACES_SAMPLER: 'odd' },
      join(root, program),
    )
    const reply = await fetch(`${await service.address()}/own`)
    expect(await reply.json()).toEqual({ active: true })
    service.child.kill('SIGTERM')
    expect(await service.exited).toBe(0)

    const spans = receiver.spans.filter(({ traceId }) =>
      receiver.spans.some((span) => span.traceId === traceId && span.scope === 'plugin'),
    )
    expect(treeOf(spans)).toEqual(['INTERNAL as it loads', 'SERVER GET /own', '  INTERNAL own'])
    expect(new Set(receiver.spans.map(({ resource }) => resource['service.name']))).toEqual(new Set(['renamed']))
    expect(service.stdout.join()).toContain('OTEL_TRACES_SAMPLER must be always_on')
  })
})

describe('the SDK is not loaded', () => {
  /** Prints the modules of OpenTelemetry that the process has loaded, when it ends. */
  const report = `data:text/javascript,${encodeURIComponent(`
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load(url, context, next) { if (/opentelemetry|src.tracing/.test(url)) loaded.push(url); return next(url, context) } })
    process.on('exit', () => console.error('loaded ' + loaded.length))
  `)}`
  const run = async (args: string[], env: NodeJS.ProcessEnv) => {
    const options = { env: { PATH: process.env['PATH'], ...env } }
    const child = promisify(execFile)(process.execPath, ['--import', report, main, ...args], options)
    return child.catch((error: { stdout: string; stderr: string }) => error)
  }
  const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }

  test.for([
    [['--help'], variables],
    [['--version'], variables],
    [['channels', '--embedded'], variables],
    [['healthcheck', '--port', '9'], variables],
    [['token'], variables],
    [['--region=mars', '--host=nowhere.invalid'], {}],
  ] as const)('by %o', async ([args, env]) => {
    expect((await run([...args], env)).stderr).toMatch(/loaded 0$/m)
  })

  test('unless it is asked for', async () => {
    expect((await run(['--region=mars', '--host=nowhere.invalid'], variables)).stderr).toMatch(/loaded [1-9]/)
  })
})
