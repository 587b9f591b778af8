import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startTestService } from '../../support/service/test-service.ts'

/** Writes a plugin file and starts the service with it. */
function startWith(content: string, ...args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'plugin-'))
  const file = join(folder, 'greeting.mjs')
  writeFileSync(file, content)
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return { ...startTestService(['--embedded', '--plugin', file, ...args]), file }
}

test('a plugin without imports makes requests, adds a route, and starts before the port opens', async () => {
  const service = startWith(`
    export default ({ channels, lifecycle, options }) => (bus) => {
      const ask = bus.requester(channels.getSecret)
      bus.subscribe(lifecycle.start, () => bus.log('info', 'Greetings'))
      bus.subscribe(channels.httpRoutes, (app) => {
        app.get('/greeting', async ({ id }) => {
          const { freshness } = await ask({ codeName: options.codeNames[0] }, { id })
          return { answered: typeof freshness.result }
        })
      })
    }
  `)
  const address = await service.address()

  const reply = await fetch(`${address}/greeting`)

  expect(await reply.json()).toEqual({ answered: 'string' })
  const messages = service.stdout.map((line) => JSON.parse(line).msg)
  expect(messages.indexOf('Greetings')).toBeLessThan(messages.indexOf(`Listening on ${address}`))
})

test('a plugin rejects a request with a detail for the client', async () => {
  const service = startWith(`
    export default ({ channels, RequestError }) => (bus) => {
      bus.subscribe(channels.httpRoutes, (app) => {
        app.get('/users/rose', () => { throw new RequestError(404, 'The user does not exist.') })
      })
    }
  `)

  const reply = await fetch(`${await service.address()}/users/rose`)

  expect(reply.status).toBe(404)
  expect(await reply.json()).toMatchObject({ type: 'about:blank', detail: 'The user does not exist.' })
})

test('logs the failure of a plugin with its name', async () => {
  const service = startWith(`
    export default ({ lifecycle }) => (bus) => {
      bus.subscribe(lifecycle.start, () => { throw new Error('no luck') })
    }
  `)

  expect(await service.exited).toBe(70)
  expect(service.stdout.join('\n')).toContain('greeting failed on lifecycle.start: no luck')
  expect(service.stdout.join('\n')).not.toContain('Listening')
})

test('a plugin replaces a source that is left out', async () => {
  const service = startWith(
    `export default ({ channels }) => (bus) => {
      bus.provide(channels.fetchSecret, ({ codeName }) => ({ codeName, value: { reveal: () => 'mine' } }))
    }`,
    '--without',
    'dynamodb',
  )

  const reply = await fetch(`${await service.address()}/secret`)

  expect(await reply.json()).toEqual({ secret_code: 'mine' })
})

test('logs one line with the name of a plugin that requires a missing provider, and opens no port', async () => {
  const service = startWith(
    'export default ({ channels }) => (bus) => { bus.requester(channels.fetchSecret) }',
    '--without',
    'dynamodb',
  )

  expect(await service.exited).toBe(78)
  const errors = service.stdout.filter((line) => line.includes('"level":"error"'))
  expect(errors).toEqual([expect.stringContaining('No provider for channel secret.fetch')])
  expect(errors[0]).toContain('required by secret-cache and greeting')
  expect(service.stdout.join('\n')).not.toContain('Listening')
})

test.for(['unknown', 'authentication', 'no-authentication'])(
  'rejects --without %s and lists the allowed subscribers',
  async (name) => {
    const { exited, stderr } = startTestService(['--without', name, '--auth-token-file', '/no/such/file'])

    expect(await exited).toBe(64)
    expect(stderr).toEqual([
      expect.stringMatching(`--without must be one of log, signals, .*dynamodb.*, received "${name}"`),
    ])
  },
)

describe('a plugin that identifies clients', () => {
  const code = `export default ({ channels }) => (bus) => {
    const client = { name: 'mine', may: new Set(['secrets', 'reload', 'docs']), mayRead: () => true }
    bus.provide(channels.identifyClient, ({ token }) => (token.reveal() === 'mine' ? client : undefined))
  }`

  test('counts as authentication, so the service may listen beyond loopback', async () => {
    const service = startWith(code, '--host', '0.0.0.0')
    const { port } = new URL(await service.address())
    const ask = (path: string, token: string, method = 'GET') =>
      fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { authorization: `Bearer ${token}` } })

    expect((await ask('/secret', 'other')).status).toBe(401)
    expect((await ask('/secret', 'mine')).status).toBe(200)
    expect((await ask('/-/reload', 'other', 'POST')).status).toBe(401)
    expect((await ask('/-/reload', 'mine', 'POST')).status).toBe(200)
    expect(await (await ask('/openapi.json', 'mine')).json()).toMatchObject({ security: [{ bearer: [] }] })
    expect(service.stdout.join()).not.toContain('Authentication is disabled')
  })

  test('replaces the built-in subscriber', async () => {
    const service = startWith(code, '--auth-token-file', '/no/such/file', '--without', 'clients')

    expect((await fetch(`${await service.address()}/secret`)).status).toBe(401)
  })
})

test('a plugin can stop the bus and start it again', async () => {
  const service = startWith(`
    export default ({ lifecycle }) => (bus) => {
      const again = async () => {
        await bus.stop()
        setTimeout(() => bus.start(), 100)
      }
      let starts = 0
      bus.subscribe(lifecycle.start, () => {
        starts += 1
        if (starts === 1) setTimeout(again, 100)
      })
    }
  `)

  await service.line(/Bus STOPPED/)
  await expect.poll(() => service.stdout.filter((line) => line.includes('Bus STARTED'))).toHaveLength(2)
  service.child.kill('SIGTERM')

  expect(await service.exited).toBe(0)
})

test('ignores the exit code of an error thrown by a plugin', async () => {
  const service = startWith(`
    export default ({ lifecycle }) => (bus) => {
      bus.subscribe(lifecycle.start, () => { throw Object.assign(new Error('no luck'), { exitCode: 0 }) })
    }
  `)

  expect(await service.exited).toBe(70)
})

test.for([
  ['is not valid JavaScript', 'export default (', /Unexpected/],
  [
    'misspells a channel',
    'export default ({ channels }) => (bus) => { bus.subscribe(channels.httpRuotes, () => {}) }',
    /received undefined; is its name misspelled\?/,
  ],
  [
    'subscribes to a request channel',
    'export default ({ channels }) => (bus) => { bus.subscribe(channels.getSecret, () => {}) }',
    /secret\.get is a request channel: use request and provide/,
  ],
  ['throws on import', 'throw new Error("no luck")', /no luck/],
  ['exports nothing', '', /The default export must be a function/],
  ['does not export a function', 'export default 42', /The default export must be a function/],
  ['does not return a subscriber', 'export default () => {}', /The default export must return a function/],
  ['returns an async subscriber', 'export default () => async () => {}', /The subscriber must be synchronous/],
  ['throws in its subscriber', 'export default () => () => { throw new Error("no luck") }', /no luck/],
  [
    'provides a channel that has a provider',
    'export default ({ channels }) => (bus) => { bus.provide(channels.getSecret, () => {}) }',
    /secret\.get.*secret-cache/,
  ],
] as const)('reports a plugin that %s in one line with its file, and starts nothing', async ([, content, reason]) => {
  const service = startWith(content)

  expect(await service.exited).toBe(78)
  expect(service.stderr).toEqual([expect.stringContaining(`--plugin ${service.file}: `)])
  expect(service.stderr[0]).toMatch(reason)
  expect(service.stdout).toEqual([])
})

test('reports a plugin that is a directory in one line', async () => {
  const service = startTestService(['--plugin', '/tmp'])

  expect(await service.exited).toBe(78)
  expect(service.stderr).toEqual(['secret-bus: --plugin /tmp: Expected a file or a package, received a directory'])
})

test('reports a missing plugin file in one line', async () => {
  const service = startTestService(['--plugin', '/no/such/plugin.mjs'])

  expect(await service.exited).toBe(78)
  expect(service.stderr).toEqual([
    expect.stringMatching(/^secret-bus: --plugin \/no\/such\/plugin\.mjs: ENOENT: no such file/),
  ])
})
