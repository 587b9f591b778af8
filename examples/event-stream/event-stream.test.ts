import { once } from 'node:events'
import { connect } from 'node:net'
import { channels } from 'secret-bus'
import { type HttpService, pluginContext, startHttp } from 'secret-bus/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import javascript from './event-stream.mjs'
import typescript from './event-stream.ts'

const access = {
  reqId: '1',
  client: undefined,
  address: undefined,
  token: undefined,
  codeName: 'thedoctor',
  status: 200,
  cache: undefined,
  reason: undefined,
}

describe.each([
  ['event-stream.mjs', javascript],
  ['event-stream.ts', typescript],
])('%s', (_file, plugin) => {
  const start = async (): Promise<HttpService> => startHttp({ stream: plugin(await pluginContext()) })

  /** Opens a stream; `text` is what the client has received so far. */
  const open = async ({ origin }: HttpService) => {
    const response = await fetch(`${origin}/accesses`)
    const received = { response, text: '', ended: Promise.resolve() }
    received.ended = (async () => {
      for await (const chunk of response.body ?? []) received.text += Buffer.from(chunk).toString()
    })()
    return received
  }

  test('streams an event for each access', async () => {
    await using service = await start()
    const stream = await open(service)

    await service.bus.publish(channels.secretAccessed, access)

    await expect.poll(() => stream.text).toBe(': connected\n\ndata: {"codeName":"thedoctor","status":200}\n\n')
    expect(stream.response.headers.get('content-type')).toMatch(/^text\/event-stream/)
  })

  test('ends its streams when the process stops, so that the exit is clean', async () => {
    const service = await start()
    const streams = [await open(service), await open(service)]

    expect(await service.stop()).toBe(0)

    await Promise.all(streams.map(({ ended }) => ended))
  })

  test('does not wait for a client that does not read', async () => {
    const service = await start()
    const socket = connect(service.port, '127.0.0.1').pause()
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    socket.write('GET /accesses HTTP/1.1\r\nhost: x\r\n\r\n')
    const other = await open(service) // later than the first, so that both are open
    const large = { ...access, codeName: 'x'.repeat(100_000) }
    for (let count = 0; count < 200; count += 1) await service.bus.publish(channels.secretAccessed, large)

    expect(await service.stop()).toBe(0)

    await other.ended
  })
})
