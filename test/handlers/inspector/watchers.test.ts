import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ProcessBus } from '../../../src/bus/process/process-bus.ts'
import { BusTraffic } from '../../../src/handlers/inspector/traffic.ts'
import { BusWatchers } from '../../../src/handlers/inspector/watchers.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Somebody who watches, and how much of what was sent waits to be read. */
function watched() {
  const traffic = new BusTraffic()
  const watchers = new BusWatchers(new ProcessBus(), traffic)
  const stream = watchers.add(new ServerResponse(new IncomingMessage(new Socket())))
  return { traffic, watchers, stream, read: () => String(stream.read() ?? '') }
}

const called = { channel: 'rang', by: 'ear', id: undefined, ms: 1 }

test('where nothing passes, something is sent all the same after a while', () => {
  const { read } = watched()
  expect(read()).toMatch(/^data: .*"state":"STOPPED"/)

  vi.advanceTimersByTime(14_000)
  expect(read()).toBe('')
  vi.advanceTimersByTime(2_000)

  expect(read()).toBe(': nothing new\n\n')
})

test('who does not read is sent no more, and later told how much was missed', () => {
  const { traffic, stream, read } = watched()
  read()

  for (let beat = 0; beat < 200; beat += 1) {
    for (let count = 0; count < 100; count += 1) traffic.add(called)
    vi.advanceTimersByTime(250)
  }
  expect(stream.readableLength + stream.writableLength).toBeLessThan(200_000)
  while (read() !== '') {}
  vi.advanceTimersByTime(250)

  const { missed, messages } = JSON.parse(read().slice('data: '.length))
  expect(missed).toBeGreaterThan(10_000)
  expect(messages).toHaveLength(200)
})

test('nothing is done when nobody watches any more', async () => {
  const { stream } = watched()
  expect(vi.getTimerCount()).toBe(1)

  stream.destroy()
  await new Promise((resolve) => stream.once('close', resolve))

  expect(vi.getTimerCount()).toBe(0)
})
