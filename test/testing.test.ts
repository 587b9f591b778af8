/** Tests the test library through its public exports. */
import { basename } from 'node:path'
import { channels, event, lifecycle, request, SecretNotFound, Sensitive, type Subscriber } from 'secret-bus'
import {
  fakeListener,
  fakeProvider,
  pluginContext,
  type RecordedBus,
  recordedBus,
  startHttp,
  startService,
} from 'secret-bus/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { acceptsConnections } from './support/http/http.ts'
import { temporaryFile } from './support/temporary-file.ts'

const getGreeting = request<{ name: string }, string>('greeting.get')
const rang = event<number, string>('rang')

/** A route that requests `greeting.get`. */
const routes: Subscriber = (bus) => {
  const ask = bus.requester(getGreeting)
  bus.subscribe(channels.httpRoutes, (app) => {
    app.get('/greeting', async ({ id }) => ask({ name: 'you' }, { id }))
  })
}

const never = () => new Promise(() => {})

describe('a recorded bus', () => {
  test('records the log and the outcome of every call', async () => {
    const failure = new Error('oops')
    const { bus, records, messages, activity } = recordedBus({
      broken: (bus) => bus.subscribe(rang, () => Promise.reject(failure)),
      greeter: (bus) => bus.provide(getGreeting, ({ name }) => `hello ${name}`),
    })

    bus.log('info', 'good', { day: 1 })
    await bus.request(getGreeting, { name: 'you' }, { id: 'call-1' })
    await bus.publish(rang, 1).catch(() => {})

    expect(records[0]).toEqual({ level: 'info', message: 'good', fields: { day: 1 } })
    expect(messages()).toEqual(['good', 'broken failed on rang: oops'])
    expect(messages('error')).toEqual(['broken failed on rang: oops'])
    expect(activity).toEqual([
      { channel: 'greeting.get', by: 'greeter', id: 'call-1', ms: expect.any(Number) },
      { channel: 'rang', by: 'broken', id: undefined, ms: expect.any(Number), error: failure },
    ])
  })

  test('stops at the end of its scope', async () => {
    const listeners = { start: fakeListener(lifecycle.start), stop: fakeListener(lifecycle.stop) }
    {
      await using recorded = recordedBus(listeners)
      await recorded.bus.start()
      expect(listeners.stop.payloads).toEqual([])
    }

    expect(listeners.start.payloads).toHaveLength(1)
    expect(listeners.stop.payloads).toHaveLength(1)
  })

  test('resolves stop() to the exit code within its shutdown timeout', async () => {
    const stuck = recordedBus({ stuck: fakeListener(lifecycle.stop, never) }, { shutdownTimeout: 10 })

    expect(await recordedBus().stop()).toBe(0)
    expect(await stuck.stop()).toBe(70)

    expect(stuck.messages('error')).toEqual([
      expect.stringContaining('stuck failed on lifecycle.stop: Shutdown timed out after 10 ms'),
    ])
  })
})

describe('a fake provider', () => {
  test('returns a fixed reply and records the queries', async () => {
    const greeter = fakeProvider(getGreeting, 'hello')
    const { bus } = recordedBus({ greeter })

    expect(await bus.request(getGreeting, { name: 'you' })).toBe('hello')
    expect(await bus.request(getGreeting, { name: 'me' })).toBe('hello')

    expect(greeter.queries).toEqual([{ name: 'you' }, { name: 'me' }])
  })

  test('calls a function with the query and the call, and rejects with its error', async () => {
    const greeter = fakeProvider(getGreeting, async ({ name }, { id }) => {
      if (name === 'unknown') throw new SecretNotFound(name)
      return `hello ${name}, ${id}`
    })
    const { bus } = recordedBus({ greeter })

    expect(await bus.request(getGreeting, { name: 'you' }, { id: 'call-1' })).toBe('hello you, call-1')
    await expect(bus.request(getGreeting, { name: 'unknown' })).rejects.toThrow(SecretNotFound)

    expect(greeter.queries).toHaveLength(2)
  })

  test('does not compile if the answer has the wrong type', () => {
    // @ts-expect-error the reply must be a string
    fakeProvider(getGreeting, 42)
    // @ts-expect-error also the reply of a function
    fakeProvider(getGreeting, () => 42)
    // @ts-expect-error also the output of a listener
    fakeListener(rang, (times) => times)
  })

  test('has the name under which it is added to the bus', () => {
    const { bus } = recordedBus({ greeter: fakeProvider(getGreeting, 'hello') })

    expect(bus.topology().find(({ channel }) => channel === 'greeting.get')?.handlers).toMatchObject([
      { name: 'greeter' },
    ])
  })
})

describe('a fake listener', () => {
  test('returns undefined, a fixed value or the result of a function, and records the payloads', async () => {
    const listeners = {
      silent: fakeListener(rang),
      constant: fakeListener(rang, 'once'),
      counting: fakeListener(rang, (times) => `${times} times`),
    }
    const { bus } = recordedBus(listeners)

    expect(await bus.publish(rang, 3)).toEqual([undefined, 'once', '3 times'])

    expect(Object.values(listeners).map(({ payloads }) => payloads)).toEqual([[3], [3], [3]])
  })
})

describe('an HTTP server', () => {
  test('serves the routes of its subscribers on a free port until it stops', async () => {
    await using other = await startHttp({})
    const service = await startHttp({ greeter: fakeProvider(getGreeting, 'hello'), routes })

    expect(await (await fetch(`${service.origin}/greeting`)).text()).toBe('hello')
    expect(await service.stop()).toBe(0)

    expect(await acceptsConnections(service.port)).toBe(false)
    expect(await acceptsConnections(other.port)).toBe(true)
  })

  test('accepts the options of the real server and a shutdown timeout', async () => {
    const stuck = fakeListener(lifecycle.stop, never)
    const service = await startHttp({ stuck }, { host: '127.0.0.2', limits: { head: 100 }, shutdownTimeout: 10 })

    const response = await fetch(service.origin) // the headers of fetch exceed the limit
    await service.stop()

    expect(new URL(service.origin).hostname).toBe('127.0.0.2')
    expect(response.status).toBe(431)
    expect(service.messages('error').join()).toContain('Shutdown timed out after 10 ms')
  })

  test('stops at the end of its scope', async () => {
    let port: number
    {
      await using service = await startHttp({})
      port = service.port
      expect(await acceptsConnections(port)).toBe(true)
    }

    expect(await acceptsConnections(port)).toBe(false)
  })

  test('does not start if a provider is missing, and stops everything', async () => {
    const stopped = fakeListener(lifecycle.exit)

    await expect(startHttp({ routes, stopped })).rejects.toMatchObject({ code: 'BUS_MISSING_PROVIDERS' })

    expect(stopped.payloads).toHaveLength(1)
  })
})

describe('the context of a plugin', () => {
  test('has the validated options of the flags, and defaults otherwise', async () => {
    const { options } = await pluginContext({ 'code-name': ['rose', 'river'], port: 80, embedded: true, drain: '5s' })

    expect(options).toMatchObject({ codeNames: ['rose', 'river'], port: 80, embedded: true, drain: 5_000 })
    expect((await pluginContext()).options).toMatchObject({ codeNames: ['thedoctor'], port: 5000, embedded: false })
  })

  test('has what the service passes to plugins', async () => {
    const context = await pluginContext()

    expect(context).toMatchObject({ channels, lifecycle, request, event, Sensitive, SecretNotFound })
  })

  test('does not depend on environment variables', async () => {
    vi.stubEnv('SECRET_BUS_CODE_NAME', 'river')
    onTestFinished(() => void vi.unstubAllEnvs())

    expect((await pluginContext()).options.codeNames).toEqual(['thedoctor'])
  })

  test.each([
    [{ 'code-names': 'rose', drain: 1 }, 'Unknown option --code-names'],
    [{ port: 'http' }, '--port must be a whole number from 0 to 65535, received "http"'],
  ])('%j throws a usage error', async (flags, message) => {
    await expect(async () => pluginContext(flags)).rejects.toThrow(message)
  })
})

describe('the complete service', () => {
  const source = () =>
    fakeProvider(channels.fetchSecret, ({ codeName }) => {
      return { codeName, value: new Sensitive('bad wolf') }
    })
  const secretOf = async ({ origin }: { origin: string }) => (await fetch(`${origin}/secret`)).json()

  test('serves from a fake source and requests each secret once', async () => {
    const fake = source()
    await using _other = await startService({ source: source() }, { without: 'dynamodb' })
    await using service = await startService({ fake }, { without: 'dynamodb', 'code-name': 'rose' })

    expect(await secretOf(service)).toEqual({ secret_code: 'bad wolf' })
    expect(await secretOf(service)).toEqual({ secret_code: 'bad wolf' })

    expect(fake.queries).toEqual([{ codeName: 'rose' }])
    expect(service.activity).toContainEqual(expect.objectContaining({ channel: 'secret.get', by: 'secret-cache' }))
    expect(service.messages()).toContain('Bus STARTED')
  })

  test('loads the plugins of the flags and names them after their files', async () => {
    const plugin = await temporaryFile(`
      export default ({ channels }) => (bus) => {
        bus.subscribe(channels.httpRoutes, (app) => { app.get('/here', async () => 'here') })
      }
    `)
    await using service = await startService({ source: source() }, { without: 'dynamodb', plugin })

    expect(await (await fetch(`${service.origin}/here`)).text()).toBe('here')
    expect(service.activity).toContainEqual(
      expect.objectContaining({ channel: 'http.routes', by: basename(plugin, '.mjs') }),
    )
  })

  test('installs no signal handlers and stops at the end of its scope', async () => {
    const signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'uncaughtException', 'unhandledRejection']
    const listening = () => signals.map((signal) => process.listenerCount(signal))
    const before = listening()
    let ended: RecordedBus
    {
      await using service = await startService({ source: source() }, { without: 'dynamodb' })
      ended = service
      expect(listening()).toEqual(before)
    }

    expect(ended.bus.state).toBe('EXITING')
  })

  test('does not start without its HTTP server, and stops everything', async () => {
    const stopped = fakeListener(lifecycle.exit)
    const without = ['dynamodb', 'http-server']

    await expect(startService({ source: source(), stopped }, { without })).rejects.toThrow('No HTTP server was started')

    expect(stopped.payloads).toHaveLength(1)
  })

  test('rejects an invalid plugin with the reason', async () => {
    const plugin = await temporaryFile('export default 42')

    await expect(startService({}, { plugin })).rejects.toThrow(
      `--plugin ${plugin}: The default export must be a function`,
    )
  })
})
