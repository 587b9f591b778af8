import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { InterceptedCall } from '../../../src/bus/call.ts'
import { ProcessBus } from '../../../src/bus/process/process-bus.ts'
import { BusTraffic } from '../../../src/handlers/inspector/traffic.ts'
import { BusWatchers } from '../../../src/handlers/inspector/watchers.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** One client, with a function that reads what it was sent. */
function connectedClient() {
  const traffic = new BusTraffic()
  const watchers = new BusWatchers(new ProcessBus(), traffic)
  const stream = watchers.add(new ServerResponse(new IncomingMessage(new Socket())))
  return { traffic, watchers, stream, read: () => String(stream.read() ?? '') }
}

const activity = { channel: 'rang', by: 'listener', id: undefined, ms: 1 }
const call = { parent: undefined } as InterceptedCall

test('sends a heartbeat on an idle stream', () => {
  const { read } = connectedClient()
  expect(read()).toMatch(/^data: .*"state":"STOPPED"/)

  vi.advanceTimersByTime(14_000)
  expect(read()).toBe('')
  vi.advanceTimersByTime(2_000)

  expect(read()).toBe(': heartbeat\n\n')
})

test('pauses updates for a client that does not read, and reports how many messages it missed', () => {
  const { traffic, stream, read } = connectedClient()
  read()

  for (let update = 0; update < 200; update += 1) {
    for (let count = 0; count < 100; count += 1) traffic.add(activity, call)
    vi.advanceTimersByTime(250)
  }
  expect(stream.readableLength + stream.writableLength).toBeLessThan(200_000)
  while (read() !== '') {}
  vi.advanceTimersByTime(250)

  const { missed, messages } = JSON.parse(read().slice('data: '.length))
  expect(missed).toBeGreaterThan(10_000)
  expect(messages).toHaveLength(200)
})

test('stops its timer when the last client disconnects', async () => {
  const { stream } = connectedClient()
  expect(vi.getTimerCount()).toBe(1)

  stream.destroy()
  await new Promise((resolve) => stream.once('close', resolve))

  expect(vi.getTimerCount()).toBe(0)
})
