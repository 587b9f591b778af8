import { Writable } from 'node:stream'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { request } from '../../../src/bus/channel.ts'
import { log } from '../../../src/bus/process/log.ts'
import { ProcessBus } from '../../../src/bus/process/process-bus.ts'

function logged(level: string) {
  const lines: Record<string, unknown>[] = []
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(JSON.parse(String(chunk)))
      done()
    },
  })
  return { lines, bus: new ProcessBus().use('log', log(pino({ level }, stream))) }
}

test('writes each log record as one line of pino, with its fields', () => {
  const { bus, lines } = logged('info')
  bus.log('warn', 'careful', { reqId: 'call-1' })
  bus.log('debug', 'not written')
  expect(lines).toMatchObject([{ level: 40, msg: 'careful', reqId: 'call-1' }])
})

test('writes one line per call at level debug only', async () => {
  const getAnswer = request<string, number>('answer.get')
  for (const level of ['debug', 'info']) {
    const { bus, lines } = logged(level)
    bus.use('oracle', (view) =>
      view.provide(getAnswer, (question) => (question === 'why' ? Promise.reject(undefined) : 42)),
    )
    await bus.request(getAnswer, 'what', { id: 'call-1' })
    await bus.request(getAnswer, 'why', { id: 'call-2' }).catch(() => {})

    const expected = [
      { level: 20, msg: 'oracle handled answer.get', channel: 'answer.get', by: 'oracle', reqId: 'call-1' },
      { level: 20, msg: 'oracle failed on answer.get', reqId: 'call-2' },
    ]
    expect(lines).toMatchObject(level === 'debug' ? expected : [])
  }
})

test('accepts any logger with a method per level, and logs calls if it has no isLevelEnabled', async () => {
  const lines: unknown[] = []
  const write = (fields: object, message: string) => void lines.push({ ...fields, message })
  const logger = { trace: write, debug: write, info: write, warn: write, error: write, fatal: write }
  const bus = new ProcessBus().use('log', log(logger))
  const getAnswer = request<string, number>('answer.get')
  bus.provide(getAnswer, () => 42, { name: 'oracle' })

  bus.log('fatal', 'no answer', { reqId: 'call-1' })
  await bus.request(getAnswer, 'what')

  expect(lines).toMatchObject([
    { message: 'no answer', reqId: 'call-1' },
    { message: 'oracle handled answer.get', by: 'oracle' },
  ])
})
