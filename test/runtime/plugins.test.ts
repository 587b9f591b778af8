import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startedService } from '../support/service/started-service.ts'

/** A file with this content, and the service startedService with it. */
function startWith(content: string, ...args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'plugin-'))
  const file = join(folder, 'greeting.mjs')
  writeFileSync(file, content)
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return { ...startedService(['--embedded', '--plugin', file, ...args]), file }
}

test('a plug-in that imports nothing asks, adds a route, and starts before the port opens', async () => {
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

test('a plug-in refuses a request, and tells the client why', async () => {
  const service = startWith(`
    export default ({ channels, RequestError }) => (bus) => {
      bus.subscribe(channels.httpRoutes, (app) => {
        app.get('/nobody', () => { throw new RequestError(404, 'There is nobody of this name.') })
      })
    }
  `)

  const reply = await fetch(`${await service.address()}/nobody`)

  expect(reply.status).toBe(404)
  expect(await reply.json()).toMatchObject({ type: 'about:blank', detail: 'There is nobody of this name.' })
})

test('what a plug-in fails at is logged under its file', async () => {
  const service = startWith(`
    export default ({ lifecycle }) => (bus) => {
      bus.subscribe(lifecycle.start, () => { throw new Error('no luck') })
    }
  `)

  expect(await service.exited).toBe(70)
  expect(service.stdout.join('\n')).toContain(`${service.file} failed on lifecycle.start: no luck`)
  expect(service.stdout.join('\n')).not.toContain('Listening')
})

test('a plug-in replaces a source that is left out', async () => {
  const service = startWith(
    `export default ({ channels }) => (bus) => {
      bus.provide(channels.fetchSecret, ({ codeName }) => ({ codeName, value: { reveal: () => 'mine' }, fetchedAt: 0 }))
    }`,
    '--without',
    'dynamodb',
  )

  const reply = await fetch(`${await service.address()}/secret`)

  expect(await reply.json()).toEqual({ secret_code: 'mine' })
})

test('a plug-in that needs what nobody provides is one line of the log with its file, and no port opens', async () => {
  const service = startWith(
    'export default ({ channels }) => (bus) => { bus.requester(channels.fetchSecret) }',
    '--without',
    'dynamodb',
  )

  expect(await service.exited).toBe(78)
  const errors = service.stdout.filter((line) => line.includes('"level":"error"'))
  expect(errors).toEqual([expect.stringContaining('nobody provides secret.fetch')])
  expect(errors[0]).toContain(service.file)
  expect(service.stdout.join('\n')).not.toContain('Listening')
})

test.for(['nobody', 'authentication'])('--without %s is wrong usage, and tells whom it takes', async (name) => {
  const { exited, stderr } = startedService(['--without', name, '--auth-token-file', '/no/such/file'])

  expect(await exited).toBe(64)
  expect(stderr).toEqual([expect.stringMatching(`--without is "${name}", but must be one of log, signals, .*dynamodb`)])
})

test('a plug-in may stop the bus, and start it again', async () => {
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

test('an exit code that an error of others carries is none for the process', async () => {
  const service = startWith(`
    export default ({ lifecycle }) => (bus) => {
      bus.subscribe(lifecycle.start, () => { throw Object.assign(new Error('no luck'), { exitCode: 0 }) })
    }
  `)

  expect(await service.exited).toBe(70)
})

test.for([
  ['cannot be read as JavaScript', 'export default (', /Unexpected/],
  [
    'misspells a channel',
    'export default ({ channels }) => (bus) => { bus.subscribe(channels.httpRuotes, () => {}) }',
    /undefined is no channel; is its name misspelt\?/,
  ],
  [
    'takes a request for an event',
    'export default ({ channels }) => (bus) => { bus.subscribe(channels.getSecret, () => {}) }',
    /secret\.get is for requesting and providing, not for events/,
  ],
  ['fails when it is loaded', 'throw new Error("no luck")', /no luck/],
  ['exports nothing', '', /its default export is not a function/],
  ['exports something else', 'export default 42', /its default export is not a function/],
  ['makes nothing', 'export default () => {}', /its default export does not return a function/],
  ['is wired later', 'export default () => async () => {}', /what it returns is async/],
  ['fails when it is handed the bus', 'export default () => () => { throw new Error("no luck") }', /no luck/],
  [
    'answers what is answered already',
    'export default ({ channels }) => (bus) => { bus.provide(channels.getSecret, () => {}) }',
    /secret\.get.*secret-cache/,
  ],
] as const)('a plug-in that %s is one line with its file, and nothing starts', async ([, content, reason]) => {
  const service = startWith(content)

  expect(await service.exited).toBe(78)
  expect(service.stderr).toEqual([expect.stringContaining(`--plugin ${service.file}: `)])
  expect(service.stderr[0]).toMatch(reason)
  expect(service.stdout).toEqual([])
})

test('a plug-in that is a folder is one line with its name', async () => {
  const service = startedService(['--plugin', '/tmp'])

  expect(await service.exited).toBe(78)
  expect(service.stderr).toEqual(['secret-bus: --plugin /tmp: it is a folder; name the file in it'])
})

test('a plug-in that is not there is one line with its file', async () => {
  const service = startedService(['--plugin', '/no/such/plugin.mjs'])

  expect(await service.exited).toBe(78)
  expect(service.stderr).toEqual([
    expect.stringMatching(/^secret-bus: --plugin \/no\/such\/plugin\.mjs: ENOENT: no such file/),
  ])
})
