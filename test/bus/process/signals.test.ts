import { EventEmitter } from 'node:events'
import { describe, expect, test, vi } from 'vitest'
import { lifecycle } from '../../../src/bus/process/lifecycle.ts'
import { signals } from '../../../src/bus/process/signals.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'

/** A substitute for the process, because a real signal would end the tests. `main.test.ts` sends real signals. */
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
  test.for(['SIGTERM', 'SIGINT'] as const)('%s shuts down', async (signal) => {
    const { bus, process, exit, messages } = await started()
    process.emit(signal, signal)
    expect(await bus.wait('EXITING')).toBe('EXITING')
    expect(await bus.exit()).toBe(0)
    expect(messages()).toContain(`Received ${signal}, shutting down`)
    expect(exit).not.toHaveBeenCalled()
  })

  test('a second termination signal ends the process immediately with code 1, and is logged', async () => {
    const { bus, process, exit, messages } = await started()
    bus.subscribe(lifecycle.stop, () => new Promise(() => {}))
    process.emit('SIGTERM', 'SIGTERM')
    expect(exit).not.toHaveBeenCalled()
    process.emit('SIGINT', 'SIGINT')
    expect(exit).toHaveBeenCalledExactlyOnceWith(1)
    expect(messages('warn')).toEqual(['Received SIGINT again, exiting immediately'])
  })

  test('SIGHUP reloads, and a failed reload keeps the process running', async () => {
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
      const error = new Error('broken')
      const [handler] = process.listeners(name as 'uncaughtException')
      handler?.(error, 'uncaughtException')
      expect(await bus.exit()).toBe(70)
      expect(records.find(({ level }) => level === 'fatal')).toEqual({
        level: 'fatal',
        message: 'Uncaught exception: broken',
        fields: { err: error },
      })
    },
  )

  test('an uncaught exception during a clean exit changes the code to 70', async () => {
    const { bus, process } = await started()
    const code = bus.exit()
    process.emit('uncaughtException', new Error('broken'))
    expect(await code).toBe(70)
  })

  test('an exit removes the handlers', async () => {
    const { bus, process } = await started()
    expect(process.eventNames()).toHaveLength(5)
    await bus.exit()
    expect(process.eventNames()).toEqual([])
  })

  test('a restart installs the handlers once', async () => {
    const { bus, process } = await started()
    await bus.stop()
    await bus.start()
    expect(process.listenerCount('SIGTERM')).toBe(1)
  })
})
