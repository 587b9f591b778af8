import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Bus } from '../../src/bus/bus.ts'
import { event, request } from '../../src/bus/channel.ts'
import { ChannelFailures, DuplicateProvider, NoProvider } from '../../src/bus/errors.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

/** The least that a bus could be: lists, and the one provider there may be. */
interface Model {
  readonly listeners: { id: number; priority: number; fails: boolean }[]
  provider: number | undefined
}

/** The bus beside the model, with what is needed to talk to it about the same listeners and providers. */
interface Real {
  readonly bus: Bus
  readonly failing: Set<number>
  /** The listener of that id, the same function every time. */
  readonly listener: (id: number) => (payload: number) => string | Promise<string>
  withdraw: () => void
}

const told = event<number, string>('told')
const ask = request<number, string>('ask')

function newReal(): Real {
  const failing = new Set<number>()
  const listeners = new Map<number, ReturnType<Real['listener']>>()
  const make = (id: number) => (payload: number) => {
    if (failing.has(id)) throw new Error(`listener ${id}`)
    const output = `${id} heard ${payload}`
    return id % 2 === 0 ? output : Promise.resolve(output)
  }
  const listener = (id: number) => {
    const known = listeners.get(id) ?? make(id)
    listeners.set(id, known)
    return known
  }
  return { bus: recordedBus().bus, failing, listener, withdraw: () => {} }
}

type Command = fc.AsyncCommand<Model, Real>
const always = () => true

const subscribe = (id: number, priority: number, fails: boolean): Command => ({
  check: always,
  run: async (model, real) => {
    const known = model.listeners.find((listener) => listener.id === id)
    if (known) Object.assign(known, { priority, fails })
    else model.listeners.push({ id, priority, fails })
    if (fails) real.failing.add(id)
    else real.failing.delete(id)
    real.bus.subscribe(told, real.listener(id), { priority, name: `listener ${id}` })
  },
  toString: () => `subscribe(${id}, ${priority}, ${fails})`,
})

const unsubscribe = (id: number): Command => ({
  check: always,
  run: async (model, real) => {
    const undo = real.bus.subscribe(told, real.listener(id))
    undo()
    const index = model.listeners.findIndex((listener) => listener.id === id)
    if (index >= 0) model.listeners.splice(index, 1)
  },
  toString: () => `unsubscribe(${id})`,
})

const publish = (payload: number): Command => ({
  check: always,
  run: async ({ listeners }, { bus }) => {
    const order = listeners.toSorted((one, other) => one.priority - other.priority)
    const outputs = order.filter(({ fails }) => !fails).map(({ id }) => `${id} heard ${payload}`)
    const failed = order.filter(({ fails }) => fails).map(({ id }) => `listener ${id}`)
    const published = await bus.publish(told, payload).catch((error) => error)
    if (failed.length === 0) {
      expect(published).toEqual(outputs)
    } else {
      expect(published).toBeInstanceOf(ChannelFailures)
      expect(published.outputs).toEqual(outputs)
      expect(published.failures.map(({ listener }: { listener: string }) => listener)).toEqual(failed)
    }
  },
  toString: () => `publish(${payload})`,
})

const provide = (id: number): Command => ({
  check: always,
  run: async (model, real) => {
    const attempt = () => real.bus.provide(ask, (query) => `${id} answers ${query}`)
    if (model.provider === undefined) {
      model.provider = id
      real.withdraw = attempt()
    } else {
      expect(attempt).toThrow(DuplicateProvider)
    }
  },
  toString: () => `provide(${id})`,
})

const withdraw = (): Command => ({
  check: always,
  run: async (model, real) => {
    model.provider = undefined
    real.withdraw()
  },
  toString: () => 'withdraw()',
})

const requestIt = (query: number, timeout: number | undefined): Command => ({
  check: always,
  run: async ({ provider }, { bus }) => {
    const answer = bus.request(ask, query, { timeout })
    if (provider === undefined) await expect(answer).rejects.toThrow(NoProvider)
    else expect(await answer).toBe(`${provider} answers ${query}`)
  },
  toString: () => `request(${query}, ${timeout})`,
})

test('in whatever order it is used, the bus does what the simplest model of it does', async () => {
  const id = fc.nat({ max: 4 })
  const commands = fc.commands(
    [
      fc.tuple(id, fc.integer({ min: -2, max: 2 }), fc.boolean()).map((args) => subscribe(...args)),
      id.map(unsubscribe),
      fc.nat().map(publish),
      id.map(provide),
      fc.constant(withdraw()),
      fc.tuple(fc.nat(), fc.constantFrom(undefined, 60_000)).map((args) => requestIt(...args)),
    ],
    { maxCommands: 60 },
  )
  const property = fc.asyncProperty(commands, (sequence) =>
    fc.asyncModelRun(() => ({ model: { listeners: [], provider: undefined }, real: newReal() }), sequence),
  )
  await fc.assert(property, { numRuns: 300 })
})
