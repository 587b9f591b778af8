import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { getIdentity } from '../src/channels.ts'
import { codeOf, healthRoutes, httpServer, log, logger, messageOf, metricsRoutes, ProcessBus } from '../src/index.ts'
import { record } from '../src/testing/recorded-bus.ts'
import { fetchReply } from './support/http/http.ts'

/** Imports the public API, and prints the names of the packages that have been loaded. */
const program = `
  const { registerHooks } = process.getBuiltinModule('node:module')
  const packages = new Set()
  registerHooks({
    resolve(specifier, context, next) {
      const result = next(specifier, context)
      const [, name] = /.*node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(result.url) ?? []
      if (name) packages.add(name)
      return result
    },
  })
  const api = await import(${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)})
  RUN
  console.log(JSON.stringify([...packages]))
`

async function packagesLoaded(run = ''): Promise<string[]> {
  const code = program.replace('RUN', run)
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code])
  return JSON.parse(stdout)
}

test('importing the package loads neither Fastify, pino nor undici', async () => {
  expect(await packagesLoaded()).toEqual(['mitt'])
})

test.each([
  ['pino', "await api.logger({ logFormat: 'json' }, false, { write() {} })"],
  ['undici', "await api.upstream({ origin: 'http://127.0.0.1:1' }).request('/').catch(() => {})"],
  [
    'fastify',
    `const bus = new api.ProcessBus()
     bus.use('server', api.httpServer({ host: '127.0.0.1', port: 0, trustProxy: false, drain: 0 }))
     await bus.start()
     await bus.exit()`,
  ],
])('%s is loaded when it is used', async (name, run) => {
  expect(await packagesLoaded(run)).toContain(name)
})

test('a service can be built from the exported parts', async () => {
  const lines: string[] = []
  const bus = new ProcessBus()
  const { messages, stop } = record(bus)
  bus
    .use('log', log(await logger({ logFormat: 'json' }, false, { write: (line) => lines.push(line) })))
    .use('identity', (bus) => bus.provide(getIdentity, () => ({ container: 'image', project: 'repository' })))
    .use('metrics-routes', metricsRoutes())
    .use('health-routes', healthRoutes())
    .use('http-server', httpServer({ host: '127.0.0.1', port: 0, trustProxy: false, drain: 0 }))
  await bus.start()
  const [, origin] = /^Listening on (.*)$/m.exec(messages().join('\n')) ?? []

  const replies = await Promise.all(['/health', '/ready', '/metrics'].map((path) => fetchReply(`${origin}${path}`)))

  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(await stop()).toBe(0)
  expect(lines.join('')).toContain('"msg":"Bus EXITED"')
})

test('any thrown value has a text, and may have a code', () => {
  const error = Object.assign(new Error('no paper'), { code: 'PRINTER' })

  expect([codeOf(error), codeOf(null)]).toEqual(['PRINTER', undefined])
  expect([messageOf(error), messageOf(null)]).toEqual(['no paper', 'null'])
})
