/** Requests on a bus with an interceptor that does nothing. */
import { Bus } from '../../src/bus/bus.ts'
import { request } from '../../src/bus/channel.ts'
import { print, type Query, query, type Value, value } from './measure.ts'

const bus = new Bus()
const sync = request<Query, Value>('sync')
const later = request<Query, Value>('later')
bus.provide(sync, () => value)
bus.provide(later, async () => value)
bus.intercept((_call, next) => next())

await print({
  awaited: {
    'synchronous answer': () => bus.request(sync, query),
    'asynchronous answer': () => bus.request(later, query),
  },
})
