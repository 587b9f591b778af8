/** Checks that the README and the reference match the program. */
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { secretProblems } from '../../src/handlers/routes/secret.openapi.ts'
import { httpServer } from '../../src/handlers/server/http-server.ts'
import { combineProblems, problemTypes } from '../../src/handlers/server/problem-types.ts'
import { cacheMetrics } from '../../src/sources/cache/cache-metrics.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'
import { everyOption } from '../support/service/options.ts'
import { startTestService } from '../support/service/test-service.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const readme = read('README.md')

const reference = read('docs/REFERENCE.md')

describe('the reference', () => {
  test('lists every option with its default, and no other', () => {
    const rows = [...reference.matchAll(/^\| `--([a-z-]+)` \| (?:`(.*?)` )?\|/gm)].map(([, flag, value]) => [
      flag,
      value,
    ])
    const options = everyOption.map((option) => [option.flag, option.default])
    expect(rows).toEqual(options)
  })

  test('lists every problem type with its status', () => {
    const types = [
      ...combineProblems([]).values(),
      ...problemTypes('secret-routes', secretProblems).map(([, type]) => type),
    ]
    for (const { status, slug } of types)
      expect(reference).toContain(`| ${status} | \`urn:secret-bus:problem:${slug}\` |`)
  })

  test('lists every metric of the service, and no other', () => {
    const rows = [...reference.matchAll(/^\| `(secret_bus_\w+)` \|/gm)].map(([, name]) => name)
    const sources = globSync('src/**/*.ts', { cwd: root }).map(read).join('')
    const names = [...sources.matchAll(/name: `\$\{(?:bus\.service\.)?metricPrefix\}(\w+)`/g)].map(
      ([, name]) => `secret_bus_${name}`,
    )
    const words = { cache: 'secret-cache', one: 'secret', many: 'secrets', label: 'code_name' }
    const ofCache = cacheMetrics('secret_bus_', words, {
      byKey: true,
      isAbsent: () => false,
      policy: { ttl: 0 },
    }).collect([])
    expect(names.length).toBeGreaterThan(5)
    expect(rows.toSorted()).toEqual([...names, ...ofCache.map(({ name }) => name)].toSorted())
  })
})

describe('the README', () => {
  test('has at most 150 lines', () => {
    expect(readme.split('\n').length).toBeLessThanOrEqual(151)
  })

  test('shows the topology as the command prints it', async () => {
    const [, diagram = ''] = /```mermaid\n(.*?)\n```/s.exec(readme) ?? []
    const [, args = ''] = /`npm run demo -- (channels .*?)`/.exec(readme) ?? []
    const program = startTestService(args.replaceAll("'", '').split(' '))

    expect(await program.exited).toBe(0)
    expect(diagram).toBe(program.stdout.join('\n'))
  })

  test('names only existing scripts', () => {
    const { scripts } = JSON.parse(read('package.json'))
    const named = [...readme.matchAll(/npm (?:run )?([a-z:]+)/g)].map(([, name]) => name ?? '')
    expect(named).toContain('demo')
    for (const name of named.filter((name) => name !== 'ci')) expect(Object.keys(scripts)).toContain(name)
  })

  test('shows a subscriber that works without changes', async () => {
    const [channel, subscriber] = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code ?? '')
    const folder = mkdtempSync(join(root, 'test/.readme-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(
      join(folder, 'channels.ts'),
      `import { request } from '../../src/bus/channel.ts'\nexport { httpRoutes } from '../../src/channels.ts'\n${channel}`,
    )
    writeFileSync(join(folder, 'greeting.ts'), subscriber?.replace('../../channels.ts', './channels.ts') ?? '')
    const { greeting } = await import(join(folder, 'greeting.ts'))

    const { bus, records } = recordedBus({
      greeting: greeting({ words: 'Hello' }),
      'http-server': httpServer({ host: '127.0.0.1', port: 0, trustProxy: false, drain: 0 }),
    })
    onTestFinished(async () => void (await bus.exit()))
    await bus.start()
    const address = records.map(({ fields }) => 'address' in fields && fields.address).find(Boolean)

    expect(await (await fetch(`${address}/greeting/you`)).text()).toBe('Hello, you!')
  })
})
