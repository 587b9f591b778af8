import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { channels, lifecycle, type Subscriber } from 'secret-bus'
import { pluginContext, recordedBus } from 'secret-bus/testing'
import { describe, expect, type TestContext, test, vi } from 'vitest'
import * as javascript from './fleet-reload.mjs'
import * as typescript from './fleet-reload.ts'

const poll = { timeout: 30_000 }
const password = 'bad-wolf'
const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`

type Finished = Pick<TestContext, 'expect' | 'onTestFinished'>

/** The part of a Valkey or Redis server that the plugin uses. The system test uses a real one. */
async function startServer({ onTestFinished }: Finished) {
  const commands: string[][] = []
  const sockets = new Set<Socket>()
  /** What the server does in place of its reply, if that is set. */
  const faults: { reply?: string } = {}

  const publish = (text: string) => {
    for (const socket of sockets) socket.write(`>3\r\n${bulk('message')}${bulk('secret-bus:reload')}${bulk(text)}`)
  }
  const replyTo = ([name = '', channel = '', text = '']: string[]) => {
    if (faults.reply !== undefined) return faults.reply
    if (name === 'HELLO') return `%1\r\n${bulk('proto')}:3\r\n`
    if (name === 'SUBSCRIBE') return `>3\r\n${bulk('subscribe')}${bulk(channel)}:1\r\n`
    if (name !== 'PUBLISH') return '+PONG\r\n'
    publish(text)
    return ':1\r\n'
  }
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}).once('close', () => sockets.delete(socket)))
    let pending = ''
    socket.setEncoding('utf8').on('data', (chunk) => {
      pending += chunk
      // Commands are arrays of bulk strings, which contain no line breaks here: *2, $4, PING, …
      for (;;) {
        const [head = '', ...lines] = pending.split('\r\n')
        const length = 2 * Number(head.slice(1))
        if (head === '' || lines.length <= length) return
        const words = lines.slice(0, length).filter((_, at) => at % 2 === 1)
        pending = lines.slice(length).join('\r\n')
        commands.push(words)
        socket.write(replyTo(words))
      }
    })
  })
  const disconnect = () => {
    for (const socket of sockets) socket.destroy()
  }
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.close()
    disconnect()
  })
  return {
    url: `redis://fleet:${password}@127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    publish,
    disconnect,
    received: (name: string) => commands.filter(([command]) => command === name),
    connections: () => sockets.size,
  }
}

const message = (id = randomUUID(), origin = randomUUID()) => JSON.stringify({ id, origin })

// Concurrent, because most tests wait for the interval of the plugin.
vi.setConfig({ testTimeout: 60_000 })
describe.concurrent.each([
  ['fleet-reload.mjs', javascript],
  ['fleet-reload.ts', typescript],
])('%s', (_file, { default: fleetReload, options }) => {
  const create = async (url: string) =>
    fleetReload(await pluginContext({ SECRET_BUS_FLEET_RELOAD_URL: url }, { name: 'fleet-reload', options }))

  /** Starts a bus with the plugin, and a subscriber whose reloads can be counted and held. */
  async function start(server: { readonly url: string }, { onTestFinished }: Finished) {
    const reloads = { count: 0, hold: Promise.resolve() }
    const counted: Subscriber = (bus) =>
      bus.subscribe(lifecycle.graceful, () => {
        reloads.count += 1
        return reloads.hold
      })
    // Shorter than the time limit of a reply.
    const recorded = recordedBus({ counted, fleet: await create(server.url) }, { shutdownTimeout: 3_000 })
    onTestFinished(async () => void (await recorded.stop()))
    await recorded.bus.start()
    const status = async () => (await recorded.bus.publish(channels.checkHealth))[0]?.status
    const counts = async () => {
      const [[metric] = []] = await recorded.bus.publish(channels.collectMetrics)
      const values = metric?.type === 'counter' ? metric.values : []
      return Object.fromEntries(values.map(({ labels, value }) => [labels?.['result'], value]))
    }
    return { ...recorded, reloads, status, counts }
  }

  async function startConnected(context: Finished) {
    const server = await startServer(context)
    const service = await start(server, context)
    await context.expect.poll(service.status, poll).toBe('pass')
    return { ...service, server }
  }

  test('sends a reload as two ids, and ignores its own message', async (context) => {
    const { expect } = context // `expect.poll` of concurrent tests needs it
    const { bus, server, counts, reloads, stop } = await startConnected(context)

    expect(await bus.graceful()).toEqual([undefined, undefined, { sent: true }])
    server.publish(message())
    await expect.poll(() => reloads.count, poll).toBe(2)

    const sent = server.received('PUBLISH')
    const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/)
    expect(sent).toEqual([['PUBLISH', 'secret-bus:reload', expect.any(String)]])
    expect(JSON.parse(sent[0]?.[2] ?? '')).toEqual({ id: uuid, origin: uuid })
    expect(await counts()).toEqual({ sent: 1, unsent: 0, received: 1, duplicate: 0, malformed: 0 })
    expect(await stop()).toBe(0)
    await expect.poll(server.connections, poll).toBe(0)
  })

  test('reloads once for all messages that arrive during a reload, and once per id, without sending any', async (context) => {
    const { expect } = context
    const { bus, server, counts, reloads } = await startConnected(context)
    const first = message()
    const { promise, resolve } = Promise.withResolvers<void>()
    reloads.hold = promise

    server.publish(first)
    await expect.poll(() => reloads.count, poll).toBe(1)
    for (const text of [first, first, message(), message(), message()]) server.publish(text)
    await expect.poll(counts, poll).toEqual({ sent: 0, unsent: 0, received: 4, duplicate: 2, malformed: 0 })
    const pings = server.received('PING').length
    await expect.poll(() => server.received('PING').length, poll).toBeGreaterThan(pings + 1)
    expect(reloads.count).toBe(1)
    const local = bus.graceful()
    resolve()
    await local

    // The local reload is later than the messages, so it replaces the forwarded one, and it is sent.
    server.publish(first)
    const later = server.received('PING').length
    await expect.poll(() => server.received('PING').length, poll).toBeGreaterThan(later + 1)
    expect(reloads.count).toBe(2)
    expect(server.received('PUBLISH')).toHaveLength(1)
  })

  test('ignores malformed and large messages, with one warning that does not quote them', async (context) => {
    const { expect } = context
    const { server, counts, messages, records, reloads } = await startConnected(context)
    const id = randomUUID()
    const malformed = [
      ...['', 'not JSON', 'null', '[]', '{"id":1,"origin":2}', `{"id":["${id}"],"origin":"${id}"}`, ` ${message()}`],
      JSON.stringify({ id, origin: id, value: 'bad wolf' }),
      message().replace('}', `,"x":"${'x'.repeat(1_000_000)}"}`),
    ]

    for (const text of malformed) server.publish(text)
    await expect.poll(async () => (await counts())['malformed'], poll).toBe(malformed.length)
    server.publish(message())
    await expect.poll(() => reloads.count, poll).toBe(1)

    expect(messages('warn')).toEqual([expect.stringMatching(/^Ignored a malformed message/)])
    expect(inspect(records, { depth: 9 })).not.toMatch(/bad wolf|not JSON|xxx/)
  })

  test('reloads and warns while the server hangs; then reconnects, reloads, and sends the missed reload', async (context) => {
    const { expect } = context
    const { bus, server, status, messages, reloads } = await startConnected(context)

    server.faults.reply = ''
    expect(await bus.graceful()).toEqual([undefined, undefined, { sent: false }])
    expect(messages('warn')).toContainEqual(
      'Failed to forward a reload to the fleet: The server did not reply within 5000 ms',
    )
    await expect.poll(status, poll).toBe('warn')
    delete server.faults.reply
    const sentBefore = server.received('PUBLISH').length
    await expect.poll(status, poll).toBe('pass')

    await expect.poll(() => server.received('PUBLISH').length, poll).toBe(sentBefore + 1)
    expect(reloads.count).toBe(2)
    expect(messages('info')).toContainEqual('Recovered: ran check of the fleet connection')
    expect(server.connections()).toBe(1)
  })

  test('reloads after a reconnection without sending it', async (context) => {
    const { expect } = context
    const { server, status, reloads } = await startConnected(context)

    server.disconnect()
    await expect.poll(status, poll).toBe('warn')
    await expect.poll(() => reloads.count, poll).toBe(1)

    expect(server.received('PUBLISH')).toEqual([])
  })

  test('warns once while it is refused, never logs the password, and stops with no connection left', async (context) => {
    const { expect } = context
    const server = await startServer(context)
    server.faults.reply = '-WRONGPASS invalid username-password pair or user is disabled.\r\n'
    const { messages, records, stop } = await start(server, context)

    await expect.poll(() => server.received('HELLO').length, poll).toBeGreaterThan(2)
    expect(await stop()).toBe(0)

    expect(server.received('HELLO')[0]).toContain(password)
    expect(messages('warn')).toEqual([expect.stringContaining('WRONGPASS')])
    expect(inspect(records, { depth: 9, showHidden: true })).not.toContain(password)
    await expect.poll(server.connections, poll).toBe(0)
  })

  test('stops immediately while the server does not reply to the connection', async (context) => {
    const { expect } = context
    const server = await startServer(context)
    server.faults.reply = ''
    const { stop, messages } = await start(server, context)
    await expect.poll(() => server.received('HELLO').length, poll).toBe(1)

    expect(await stop()).toBe(0)

    expect(messages('warn')).toEqual([])
    await expect.poll(server.connections, poll).toBe(0)
  })

  test.each([
    '',
    `http://fleet:${password}@127.0.0.1`,
    `redis://fleet:${password}@[x]`,
    `redis://fleet:${password}%@x`,
  ])('rejects an unusable URL without quoting it, case %#', async (url) => {
    const error = await create(url).catch((thrown) => thrown)

    expect(String(error)).toMatch(/SECRET_BUS_FLEET_RELOAD_URL must be/)
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(password)
  })
})
