import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Bus } from '../../src/bus/bus.ts'
import { event, request } from '../../src/bus/channel.ts'
import { ChannelFailures, DuplicateProvider, NoProvider } from '../../src/bus/errors.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

/** The simplest model of a bus: a list of listeners and at most one provider. */
interface Model {
  readonly listeners: { id: number; priority: number; fails: boolean }[]
  provider: number | undefined
}

/** The bus under test, with the functions that correspond to the listeners and the provider of the model. */
interface System {
  readonly bus: Bus
  readonly failing: Set<number>
  /** Returns the listener with the id, always the same function. */
  readonly listener: (id: number) => (payload: number) => string | Promise<string>
  removeProvider: () => void
}

const published = event<number, string>('published')
const requested = request<number, string>('requested')

function newReal(): System {
  const failing = new Set<number>()
  const listeners = new Map<number, ReturnType<System['listener']>>()
  const create = (id: number) => (payload: number) => {
    if (failing.has(id)) throw new Error(`listener ${id}`)
    const output = `${id} received ${payload}`
    return id % 2 === 0 ? output : Promise.resolve(output)
  }
  const listener = (id: number) => {
    const known = listeners.get(id) ?? create(id)
    listeners.set(id, known)
    return known
  }
  return { bus: recordedBus().bus, failing, listener, removeProvider: () => {} }
}

type Command = fc.AsyncCommand<Model, System>
const always = () => true

const subscribe = (id: number, priority: number, fails: boolean): Command => ({
  check: always,
  run: async (model, real) => {
    const known = model.listeners.find((listener) => listener.id === id)
    if (known) Object.assign(known, { priority, fails })
    else model.listeners.push({ id, priority, fails })
    if (fails) real.failing.add(id)
    else real.failing.delete(id)
    real.bus.subscribe(published, real.listener(id), { priority, name: `listener ${id}` })
  },
  toString: () => `subscribe(${id}, ${priority}, ${fails})`,
})

const unsubscribe = (id: number): Command => ({
  check: always,
  run: async (model, real) => {
    const remove = real.bus.subscribe(published, real.listener(id))
    remove()
    const index = model.listeners.findIndex((listener) => listener.id === id)
    if (index >= 0) model.listeners.splice(index, 1)
  },
  toString: () => `unsubscribe(${id})`,
})

const publish = (payload: number): Command => ({
  check: always,
  run: async ({ listeners }, { bus }) => {
    const order = listeners.toSorted((one, other) => one.priority - other.priority)
    const outputs = order.filter(({ fails }) => !fails).map(({ id }) => `${id} received ${payload}`)
    const failed = order.filter(({ fails }) => fails).map(({ id }) => `listener ${id}`)
    const result = await bus.publish(published, payload).catch((error) => error)
    if (failed.length === 0) {
      expect(result).toEqual(outputs)
    } else {
      expect(result).toBeInstanceOf(ChannelFailures)
      expect(result.outputs).toEqual(outputs)
      expect(result.failures.map(({ listener }: { listener: string }) => listener)).toEqual(failed)
    }
  },
  toString: () => `publish(${payload})`,
})

const provide = (id: number): Command => ({
  check: always,
  run: async (model, real) => {
    const attempt = () => real.bus.provide(requested, (query) => `${id} answers ${query}`)
    if (model.provider === undefined) {
      model.provider = id
      real.removeProvider = attempt()
    } else {
      expect(attempt).toThrow(DuplicateProvider)
    }
  },
  toString: () => `provide(${id})`,
})

const removeProvider = (): Command => ({
  check: always,
  run: async (model, real) => {
    model.provider = undefined
    real.removeProvider()
  },
  toString: () => 'removeProvider()',
})

const sendRequest = (query: number, timeout: number | undefined): Command => ({
  check: always,
  run: async ({ provider }, { bus }) => {
    const answer = bus.request(requested, query, { timeout })
    if (provider === undefined) await expect(answer).rejects.toThrow(NoProvider)
    else expect(await answer).toBe(`${provider} answers ${query}`)
  },
  toString: () => `request(${query}, ${timeout})`,
})

test('behaves like the model under any sequence of commands', async () => {
  const id = fc.nat({ max: 4 })
  const commands = fc.commands(
    [
      fc.tuple(id, fc.integer({ min: -2, max: 2 }), fc.boolean()).map((args) => subscribe(...args)),
      id.map(unsubscribe),
      fc.nat().map(publish),
      id.map(provide),
      fc.constant(removeProvider()),
      fc.tuple(fc.nat(), fc.constantFrom(undefined, 60_000)).map((args) => sendRequest(...args)),
    ],
    { maxCommands: 60 },
  )
  const property = fc.asyncProperty(commands, (sequence) =>
    fc.asyncModelRun(() => ({ model: { listeners: [], provider: undefined }, real: newReal() }), sequence),
  )
  await fc.assert(property, { numRuns: 300 })
})
