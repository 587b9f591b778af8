/** Checks that the bundle of the image and the program of the package behave the same. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { fetchReply } from '../support/http/http.ts'
import { startTestService } from '../support/service/test-service.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
// Within the project, so that the program of the package finds its dependencies.
const folder = mkdtempSync(join(root, 'test/.bundle-'))
const programs = { package: join(folder, 'dist/main.js'), bundle: join(folder, 'bundle/main.js') }

const plugin = `
export default ({ channels }) => (bus) => {
  const ask = bus.requester(channels.getSecret)
  bus.subscribe(channels.httpRoutes, (app) => {
    app.get('/greeting', async () => {
      const { codeName } = await ask({ codeName: 'thedoctor' })
      return { greeting: codeName }
    })
  })
}`

/** Makes the bus throw an error that is not caught. */
const faulty = `
export default ({ lifecycle }) => (bus) => {
  bus.subscribe(lifecycle.start, () => void setImmediate(() => bus.subscribe(lifecycle.stop, () => {}, { priority: NaN })))
}`

beforeAll(() => {
  const build = (...command: string[]) => execFileSync('npx', command, { cwd: root, stdio: 'pipe' })
  build('tsc', '-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist'))
  cpSync(join(root, 'src/handlers/pages/browser'), join(folder, 'dist/handlers/pages/browser'), { recursive: true })
  build('rolldown', '-c', '--dir', join(folder, 'bundle'))
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'))
  writeFileSync(join(folder, 'greeting.mjs'), plugin)
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true }))

/** Runs the action with both programs and compares the results. */
async function both<Result>(action: (program: string) => Promise<Result>): Promise<Result> {
  const [fromPackage, fromBundle] = [await action(programs.package), await action(programs.bundle)]
  expect(fromBundle).toEqual(fromPackage)
  return fromBundle
}

describe('the bundle, like the package,', () => {
  test.for([
    [['--help'], 0],
    [['--version'], 0],
    [['--port', 'abc'], 64],
    [['--no-such-option'], 64],
    [['--config', '/no/such/file'], 78],
    [['--plugin', '/no/such/file.mjs'], 78],
    [['healthcheck', '--port', '1'], 1],
  ] as const)('runs with %j', async ([args, code]) => {
    const result = await both(async (program) => {
      const { exited, stdout, stderr } = startTestService(args, {}, program)
      return { code: await exited, stdout, stderr: stderr.map((line) => line.replaceAll(program, 'main.js')) }
    })

    expect(result.code).toBe(code)
  })

  test('serves, reloads, collects metrics, reports health and shuts down with a plugin', async () => {
    const dynamodb = await startDynamodb()
    onTestFinished(dynamodb.close)
    await dynamodb.putSecret('thedoctor', 'run')
    const env = { ...credentials, SECRET_BUS_AUTH_TOKEN: 'token' }
    const greetingPlugin = join(folder, 'greeting.mjs')
    const args = ['--dynamodb-endpoint', dynamodb.endpoint, '--inspector', '--plugin', greetingPlugin]
    const headers = { authorization: 'Bearer token' }

    const result = await both(async (program) => {
      const service = startTestService(args, env, program)
      const address = await service.address()
      const { body: secret } = await fetchReply(`${address}/secret`, { headers })
      await service.line(/Secret accessed/) // logged asynchronously; wait to keep the order of messages
      const { body: greeting } = await fetchReply(`${address}/greeting`, { headers })
      const { body: reloaded } = await fetchReply(`${address}/-/reload`, { method: 'POST', headers })
      const { body: metrics } = await fetchReply(`${address}/metrics`, { headers })
      const pages: Record<string, string> = {}
      for (const path of ['/openapi.json', '/docs', '/docs/swagger-ui.css', '/-/bus', '/-/bus/wiring.js'])
        pages[path] = (await fetchReply(address + path, { headers })).body
      const check = startTestService(['healthcheck', '--port', new URL(address).port], env, program)
      const healthy = await check.exited
      service.child.kill('SIGTERM')
      const code = await service.exited
      const messages = service.stdout.map((line) => JSON.parse(line).msg.replace(address, ''))
      const names = [...metrics.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name)
      return { secret, greeting, reloaded, names, pages, healthy, code, messages, stderr: service.stderr }
    })

    expect(result).toMatchObject({
      secret: '{"secret_code":"run"}',
      greeting: '{"greeting":"thedoctor"}',
      healthy: 0,
      code: 0,
      stderr: [],
      pages: {
        '/openapi.json': expect.stringContaining('"/greeting"'),
        '/docs': expect.stringContaining('id="docs"'),
        '/docs/swagger-ui.css': expect.stringContaining('.swagger-ui'),
        '/-/bus': expect.stringContaining('<div id="wiring">'),
        '/-/bus/wiring.js': expect.stringContaining('export class Wiring'),
      },
    })
    expect(result.messages).toContain('Bus EXITED')
  })

  test('logs the source position of an uncaught exception', async () => {
    const file = join(folder, 'faulty.mjs')
    writeFileSync(file, faulty)

    const position = await both(async (program) => {
      const args = ['--region', 'eu-central-1', '--plugin', file]
      const service = startTestService(args, { NODE_OPTIONS: '--enable-source-maps' }, program)
      expect(await service.exited).toBe(70)
      return /src\/bus\/bus\.ts:\d+/.exec(await service.line(/Uncaught exception/))?.[0]
    })

    expect(position).toBeDefined()
  })
})
