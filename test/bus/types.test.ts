/** Checked by the compiler: `npm run check` fails if a line after `@ts-expect-error` compiles. */
import { describe, expectTypeOf, test } from 'vitest'
import { Bus } from '../../src/bus/bus.ts'
import { event, request } from '../../src/bus/channel.ts'
import type { SettledOutput } from '../../src/bus/outcomes.ts'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import { ProcessBus, type Subscriber } from '../../src/bus/process/process-bus.ts'

const noteAdded = event<{ text: string }, number>('note.added')
const ping = event<void, 'pong' | 'none'>('ping')
const getLength = request<{ text: string }, number>('length.get')
const getName = request<void, string>('name.get')
const bus = new Bus()

/** The functions are compiled, but never run. */
const compiled = (..._code: (() => unknown)[]) => {}

describe('types of payloads and queries', () => {
  test('a payload or query must have the type of the channel', () => {
    compiled(
      () => bus.publish(noteAdded, { text: 'hello' }),
      // @ts-expect-error another type
      () => bus.publish(noteAdded, { text: 1 }),
      // @ts-expect-error missing payload
      () => bus.publish(noteAdded),
      // @ts-expect-error another type
      () => bus.request(getLength, 'hello'),
      // @ts-expect-error missing query
      () => bus.request(getLength),
      // @ts-expect-error unknown property
      () => bus.request(getLength, { text: 'hello', size: 1 }),
      // @ts-expect-error another type
      () => bus.requester(getLength)({}),
      // @ts-expect-error another type
      () => bus.publisher(noteAdded)('hello'),
    )
  })

  test('a channel without a payload requires and accepts none', () => {
    compiled(
      () => bus.publish(ping),
      () => bus.publish(ping, undefined, { id: 'call-1' }),
      () => bus.publisher(ping)(),
      () => bus.request(getName),
      () => bus.requester(getName)(),
      // @ts-expect-error a payload on a channel without one
      () => bus.publish(ping, 'hello'),
    )
  })

  test('events cannot be requested, and requests cannot be published', () => {
    compiled(
      // @ts-expect-error an event
      () => bus.request(noteAdded, { text: 'hello' }),
      // @ts-expect-error a request
      () => bus.publish(getLength, { text: 'hello' }),
      // @ts-expect-error a request
      () => bus.subscribe(getLength, () => 1),
      // @ts-expect-error an event
      () => bus.provide(noteAdded, () => 1),
    )
  })
})

describe('types of results', () => {
  test('a listener or provider must return the type of the channel, directly or as a promise', () => {
    compiled(
      () => bus.subscribe(ping, () => 'pong'),
      () => bus.subscribe(ping, async () => 'none' as const),
      () => bus.provide(getLength, ({ text }) => text.length),
      () => bus.provide(getLength, async ({ text }) => text.length),
      // @ts-expect-error another value
      () => bus.subscribe(ping, () => 'ping'),
      // @ts-expect-error a promise of another value
      () => bus.subscribe(ping, async () => 'ping'),
      // @ts-expect-error missing result
      () => bus.subscribe(noteAdded, () => {}),
      // @ts-expect-error another type
      () => bus.provide(getLength, ({ text }) => text),
      // @ts-expect-error a promise of another type
      () => bus.provide(getLength, async ({ text }) => text),
      // @ts-expect-error a query of another type
      () => bus.provide(getLength, (query: { text: number }) => query.text),
    )
  })

  test('the caller receives the type of the channel', () => {
    compiled(() => {
      expectTypeOf(bus.publish(noteAdded, { text: '' })).resolves.toEqualTypeOf<number[]>()
      expectTypeOf(bus.publishSettled(noteAdded, { text: '' })).resolves.toEqualTypeOf<SettledOutput<number>[]>()
      expectTypeOf(bus.request(getLength, { text: '' })).resolves.toEqualTypeOf<number>()
      expectTypeOf(bus.publisher(ping)()).resolves.toEqualTypeOf<('pong' | 'none')[]>()
      expectTypeOf(bus.requester(getName)()).resolves.toEqualTypeOf<string>()
    })
  })
})

describe('types of subscribers', () => {
  test('a subscriber receives a ProcessBus', () => {
    const subscriber: Subscriber = (view) => void view.subscribe(lifecycle.stop, () => view.state)
    compiled(
      () => new ProcessBus().use('subscriber', subscriber),
      // @ts-expect-error a bus without the process lifecycle
      () => new Bus().use('subscriber', subscriber),
    )
  })
})
