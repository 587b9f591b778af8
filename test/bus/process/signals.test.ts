import { EventEmitter } from 'node:events'
import { describe, expect, test, vi } from 'vitest'
import { lifecycle } from '../../../src/bus/process/lifecycle.ts'
import { type SignalOptions, signals } from '../../../src/bus/process/signals.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'

/** A substitute for the process, because a real signal would end the tests. `main.test.ts` sends real signals. */
function fakeProcess() {
  const exit = vi.fn()
  return { process: Object.assign(new EventEmitter(), { exit }), exit }
}

async function started(options: SignalOptions = {}) {
  const { process, exit } = fakeProcess()
  const recorded = recordedBus({ signals: signals(process, options) })
  await recorded.bus.start()
  return { ...recorded, process, exit }
}

/** Starts with a stop that never ends, a clock that tests set, and SIGTERM received at 0. */
async function shuttingDown() {
  const clock = { now: 0 }
  const recorded = await started({ now: () => clock.now })
  recorded.bus.subscribe(lifecycle.stop, () => new Promise(() => {}))
  recorded.process.emit('SIGTERM', 'SIGTERM')
  return { ...recorded, clock }
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

  test('a second one after 1 s ends the process immediately with code 1, and is logged', async () => {
    const { process, exit, messages, clock } = await shuttingDown()
    clock.now = 1_000
    expect(exit).not.toHaveBeenCalled()
    process.emit('SIGINT', 'SIGINT')
    expect(exit).toHaveBeenCalledExactlyOnceWith(1)
    expect(messages('warn')).toEqual(['Received SIGINT again, exiting immediately'])
  })

  test('a second one within 1 s does not force an exit, and the log explains that a later one will', async () => {
    const { process, exit, messages, clock } = await shuttingDown()
    for (clock.now of [0, 1, 999]) process.emit('SIGINT', 'SIGINT')
    expect(exit).not.toHaveBeenCalled()
    const again = 'Received SIGINT again, still shutting down; repeat it after 1 s to exit immediately'
    expect(messages('info').filter((message) => message.includes('again'))).toEqual([again, again, again])
    expect(messages('warn')).toEqual([])
    // Counts from the first signal, so that repeating it steadily has an effect.
    clock.now = 1_001
    process.emit('SIGINT', 'SIGINT')
    expect(exit).toHaveBeenCalledExactlyOnceWith(1)
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

  describe('SIGHUP, if the process was started from a terminal,', () => {
    const goneTerminal = { isGone: () => true }

    test('shuts down if the terminal has been closed', async () => {
      const { bus, process, messages } = await started({ terminal: goneTerminal })
      const reload = vi.fn()
      bus.subscribe(lifecycle.graceful, reload)
      process.emit('SIGHUP', 'SIGHUP')
      expect(bus.exiting).toBe(true)
      expect(await bus.exit()).toBe(0)
      expect(messages()).toContain('Received SIGHUP and the terminal is gone, shutting down')
      expect(reload).not.toHaveBeenCalled()
    })

    test('never forces an exit', async () => {
      const clock = { now: 0 }
      const { process, exit } = await started({ terminal: goneTerminal, now: () => clock.now })
      for (clock.now of [0, 5_000]) process.emit('SIGHUP', 'SIGHUP')
      expect(exit).not.toHaveBeenCalled()
    })

    test('reloads while the terminal is open', async () => {
      const { bus, process } = await started({ terminal: { isGone: () => false } })
      const reload = vi.fn()
      bus.subscribe(lifecycle.graceful, reload)
      process.emit('SIGHUP', 'SIGHUP')
      await vi.waitFor(() => expect(reload).toHaveBeenCalledTimes(1))
      expect(bus.exiting).toBe(false)
    })

    test('shuts down if the terminal is closed just after the signal', async () => {
      const terminal = { gone: false, isGone: () => terminal.gone }
      const { bus, process } = await started({ terminal })
      process.emit('SIGHUP', 'SIGHUP')
      expect(bus.exiting).toBe(false)
      terminal.gone = true
      await expect.poll(() => bus.exiting).toBe(true)
    })
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
