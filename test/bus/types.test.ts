/** The compiler is the judge here: each `@ts-expect-error` fails `npm run check` if its line compiles. */
import { describe, expectTypeOf, test } from 'vitest'
import { Bus } from '../../src/bus/bus.ts'
import { event, request } from '../../src/bus/channel.ts'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import { ProcessBus, type Subscriber } from '../../src/bus/process/process-bus.ts'

const noted = event<{ text: string }, number>('noted')
const ping = event<void, 'pong' | 'silence'>('ping')
const getLength = request<{ text: string }, number>('length.get')
const getName = request<void, string>('name.get')
const bus = new Bus()

/** Compiled, never run. */
const compiled = (..._code: (() => unknown)[]) => {}

describe('types of what is sent', () => {
  test('a payload or query must be what the channel carries', () => {
    compiled(
      () => bus.publish(noted, { text: 'hello' }),
      // @ts-expect-error another type
      () => bus.publish(noted, { text: 1 }),
      // @ts-expect-error nothing
      () => bus.publish(noted),
      // @ts-expect-error another type
      () => bus.request(getLength, 'hello'),
      // @ts-expect-error nothing
      () => bus.request(getLength),
      // @ts-expect-error more than is known
      () => bus.request(getLength, { text: 'hello', size: 1 }),
      // @ts-expect-error another type
      () => bus.requester(getLength)({}),
      // @ts-expect-error another type
      () => bus.publisher(noted)('hello'),
    )
  })

  test('a channel that carries nothing needs no payload, and takes none', () => {
    compiled(
      () => bus.publish(ping),
      () => bus.publish(ping, undefined, { id: 'call-1' }),
      () => bus.publisher(ping)(),
      () => bus.request(getName),
      () => bus.requester(getName)(),
      // @ts-expect-error there is no payload
      () => bus.publish(ping, 'hello'),
    )
  })

  test('events are not requested and requests are not published', () => {
    compiled(
      // @ts-expect-error an event
      () => bus.request(noted, { text: 'hello' }),
      // @ts-expect-error a request
      () => bus.publish(getLength, { text: 'hello' }),
      // @ts-expect-error a request
      () => bus.subscribe(getLength, () => 1),
      // @ts-expect-error an event
      () => bus.provide(noted, () => 1),
    )
  })
})

describe('types of what is answered', () => {
  test('a listener or provider must answer what the channel promises, at once or later', () => {
    compiled(
      () => bus.subscribe(ping, () => 'pong'),
      () => bus.subscribe(ping, async () => 'silence' as const),
      () => bus.provide(getLength, ({ text }) => text.length),
      () => bus.provide(getLength, async ({ text }) => text.length),
      // @ts-expect-error another value
      () => bus.subscribe(ping, () => 'ping'),
      // @ts-expect-error another value, later
      () => bus.subscribe(ping, async () => 'ping'),
      // @ts-expect-error nothing
      () => bus.subscribe(noted, () => {}),
      // @ts-expect-error another type
      () => bus.provide(getLength, ({ text }) => text),
      // @ts-expect-error another type, later
      () => bus.provide(getLength, async ({ text }) => text),
      // @ts-expect-error a query that is never sent
      () => bus.provide(getLength, (query: { text: number }) => query.text),
    )
  })

  test('the caller knows the type of the answer', () => {
    compiled(() => {
      expectTypeOf(bus.publish(noted, { text: '' })).resolves.toEqualTypeOf<number[]>()
      expectTypeOf(bus.request(getLength, { text: '' })).resolves.toEqualTypeOf<number>()
      expectTypeOf(bus.publisher(ping)()).resolves.toEqualTypeOf<('pong' | 'silence')[]>()
      expectTypeOf(bus.requester(getName)()).resolves.toEqualTypeOf<string>()
    })
  })
})

describe('types of subscribers', () => {
  test('a subscriber is handed the bus of the process', () => {
    const subscriber: Subscriber = (view) => void view.subscribe(lifecycle.stop, () => view.state)
    compiled(
      () => new ProcessBus().use('mine', subscriber),
      // @ts-expect-error a bus without a process
      () => new Bus().use('mine', subscriber),
    )
  })
})
