/** The bundle of the image is the program of the package: what one does, the other does. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { ask } from '../support/http/http.ts'
import { startedService } from '../support/service/started-service.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
// Within the project, where the program of the package finds what it needs.
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

/** Has the bus throw when it is too late for anybody to catch it. */
const faulty = `
export default ({ lifecycle }) => (bus) => {
  bus.subscribe(lifecycle.start, () => void setImmediate(() => bus.subscribe(lifecycle.stop, () => {}, { priority: NaN })))
}`

beforeAll(() => {
  const build = (...command: string[]) => execFileSync('npx', command, { cwd: root, stdio: 'pipe' })
  build('tsc', '-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist'))
  cpSync(join(root, 'src/handlers/pages/browser'), join(folder, 'dist/handlers/browser'), { recursive: true })
  build('rolldown', '-c', '--dir', join(folder, 'bundle'))
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'))
  writeFileSync(join(folder, 'greeting.mjs'), plugin)
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true }))

/** What comes of it with the one and with the other, which must be the same. */
async function both<Result>(act: (program: string) => Promise<Result>): Promise<Result> {
  const [ofPackage, ofBundle] = [await act(programs.package), await act(programs.bundle)]
  expect(ofBundle).toEqual(ofPackage)
  return ofBundle
}

describe('the bundle, as the package,', () => {
  test.for([
    [['--help'], 0],
    [['--version'], 0],
    [['--port', 'abc'], 64],
    [['--no-such-option'], 64],
    [['--config', '/no/such/file'], 78],
    [['--plugin', '/no/such/file.mjs'], 78],
    [['healthcheck', '--port', '1'], 1],
  ] as const)('answers %j', async ([args, code]) => {
    const told = await both(async (program) => {
      const { exited, stdout, stderr } = startedService(args, {}, program)
      return { code: await exited, stdout, stderr: stderr.map((line) => line.replaceAll(program, 'main.js')) }
    })

    expect(told.code).toBe(code)
  })

  test('serves, counts, is healthy, reloads and ends, with a plug-in that it loads', async () => {
    const dynamodb = await startDynamodb()
    onTestFinished(dynamodb.close)
    await dynamodb.putSecret('thedoctor', 'run')
    const env = { ...credentials, SECRET_BUS_AUTH_TOKEN: 'token' }
    const greeter = join(folder, 'greeting.mjs')
    const args = ['--dynamodb-endpoint', dynamodb.endpoint, '--inspector', '--plugin', greeter]
    const headers = { authorization: 'Bearer token' }

    const seen = await both(async (program) => {
      const service = startedService(args, env, program)
      const address = await service.address()
      const { body: secret } = await ask(`${address}/secret`, { headers })
      await service.line(/Secret accessed/) // told a little later, which may be after what follows
      const { body: greeting } = await ask(`${address}/greeting`, { headers })
      const { body: reloaded } = await ask(`${address}/-/reload`, { method: 'POST', headers })
      const { body: metrics } = await ask(`${address}/metrics`, { headers })
      const pages: Record<string, string> = {}
      for (const path of ['/openapi.json', '/docs', '/docs/swagger-ui.css', '/-/bus', '/-/bus/wiring.js'])
        pages[path] = (await ask(address + path, { headers })).body
      const check = startedService(['healthcheck', '--port', new URL(address).port], env, program)
      const healthy = await check.exited
      service.child.kill('SIGTERM')
      const code = await service.exited
      const messages = service.stdout.map((line) => JSON.parse(line).msg.replace(address, ''))
      const names = [...metrics.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name)
      return { secret, greeting, reloaded, names, pages, healthy, code, messages, stderr: service.stderr }
    })

    expect(seen).toMatchObject({
      secret: '{"secret_code":"run"}',
      greeting: '{"greeting":"thedoctor"}',
      healthy: 0,
      code: 0,
      stderr: [],
      pages: {
        '/openapi.json': expect.stringContaining('"/greeting"'),
        '/docs': expect.stringContaining('<main id="docs">'),
        '/docs/swagger-ui.css': expect.stringContaining('.swagger-ui'),
        '/-/bus': expect.stringContaining('<div id="wiring">'),
        '/-/bus/wiring.js': expect.stringContaining('export class Wiring'),
      },
    })
    expect(seen.messages).toContain('Bus EXITED')
  })

  test('says where in the sources an error was thrown that nobody caught', async () => {
    const file = join(folder, 'faulty.mjs')
    writeFileSync(file, faulty)

    const place = await both(async (program) => {
      const args = ['--region', 'eu-central-1', '--plugin', file]
      const service = startedService(args, { NODE_OPTIONS: '--enable-source-maps' }, program)
      expect(await service.exited).toBe(70)
      return /src\/bus\/bus\.ts:\d+/.exec(await service.line(/Nobody caught/))?.[0]
    })

    expect(place).toBeDefined()
  })
})
