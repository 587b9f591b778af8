import { Bus } from '../../src/bus/bus.ts'
import { event, request } from '../../src/bus/channel.ts'
import { print, type Query, query, type Value, value } from './measure.ts'

const bus = new Bus()
const sync = request<Query, Value>('sync')
const later = request<Query, Value>('later')
const limited = request<Query, Value>('limited', { timeout: 60_000 })
bus.provide(sync, () => value)
bus.provide(later, async () => value)
bus.provide(limited, async () => value)

const publisher = (count: number) => {
  const channel = event<Query>(`event-${count}`)
  for (let i = 0; i < count; i += 1) bus.subscribe(channel, () => {})
  return () => bus.publish(channel, query)
}

await print({
  awaited: {
    'synchronous answer': () => bus.request(sync, query),
    'asynchronous answer': () => bus.request(later, query),
    'asynchronous answer, timeout': () => bus.request(limited, query),
    '0 listeners': publisher(0),
    '1 listener': publisher(1),
    '10 listeners': publisher(10),
  },
})
