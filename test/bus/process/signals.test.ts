import { EventEmitter } from 'node:events'
import { describe, expect, test, vi } from 'vitest'
import { lifecycle } from '../../../src/bus/process/lifecycle.ts'
import { signals } from '../../../src/bus/process/signals.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'

/** Stands in for the process, which cannot be signalled without ending the tests. Real signals are in main.test.ts. */
function fakeProcess() {
  const exit = vi.fn()
  return { process: Object.assign(new EventEmitter(), { exit }) as unknown as NodeJS.Process, exit }
}

async function started() {
  const { process, exit } = fakeProcess()
  const recorded = recordedBus({ signals: signals(process) })
  await recorded.bus.start()
  return { ...recorded, process, exit }
}

describe('signals', () => {
  test.for(['SIGTERM', 'SIGINT'] as const)('%s exits', async (signal) => {
    const { bus, process, exit, messages } = await started()
    process.emit(signal, signal)
    expect(await bus.wait('EXITING')).toBe('EXITING')
    expect(await bus.exit()).toBe(0)
    expect(messages()).toContain(`${signal}: exiting`)
    expect(exit).not.toHaveBeenCalled()
  })

  test('the second one ends the process at once, with code 1 and a log line', async () => {
    const { bus, process, exit, messages } = await started()
    bus.subscribe(lifecycle.stop, () => new Promise(() => {}))
    process.emit('SIGTERM', 'SIGTERM')
    expect(exit).not.toHaveBeenCalled()
    process.emit('SIGINT', 'SIGINT')
    expect(exit).toHaveBeenCalledExactlyOnceWith(1)
    expect(messages('warn')).toEqual(['SIGINT again: ending at once'])
  })

  test('SIGHUP reloads, and a reload that fails harms nobody', async () => {
    const { bus, process, messages } = await started()
    const reload = vi.fn().mockRejectedValueOnce(new Error('unreadable'))
    bus.subscribe(lifecycle.graceful, reload, { name: 'reloader' })
    process.emit('SIGHUP', 'SIGHUP')
    process.emit('SIGHUP', 'SIGHUP')
    await vi.waitFor(() => expect(reload).toHaveBeenCalledTimes(2))
    expect(messages('error')).toEqual(['reloader failed on lifecycle.graceful: unreadable'])
    expect(bus.state).toBe('STARTED')
  })

  test.for(['uncaughtException', 'unhandledRejection'] as const)(
    'an %s is logged at fatal and exits with 70',
    async (name) => {
      const { bus, process, records } = await started()
      const error = new Error('nobody expects this')
      const [handler] = process.listeners(name as 'uncaughtException')
      handler?.(error, 'uncaughtException')
      expect(await bus.exit()).toBe(70)
      expect(records.find(({ level }) => level === 'fatal')).toEqual({
        level: 'fatal',
        message: 'Nobody caught: nobody expects this',
        fields: { err: error },
      })
    },
  )

  test('an error that nobody caught during a clean exit makes its code 70', async () => {
    const { bus, process } = await started()
    const code = bus.exit()
    process.emit('uncaughtException', new Error('on the way out'))
    expect(await code).toBe(70)
  })

  test('the handlers are taken off again on exit', async () => {
    const { bus, process } = await started()
    expect(process.eventNames()).toHaveLength(5)
    await bus.exit()
    expect(process.eventNames()).toEqual([])
  })

  test('a process that stops and starts again is listened to once', async () => {
    const { bus, process } = await started()
    await bus.stop()
    await bus.start()
    expect(process.listenerCount('SIGTERM')).toBe(1)
  })
})
