import { setTimeout as sleep } from 'node:timers/promises'
import { Bus, request } from 'secret-bus'

const bus = new Bus()
const find = request<string, string>('find', { timeout: 5_000 })
bus.provide(find, (_, { signal }) => sleep(60_000, 'done', { signal }), { name: 'sloth' })
const outcome = await bus.request(find, 'rose', { timeout: 10 }).catch(String)
console.log(outcome) // RequestTimeout: sloth did not answer find within 10 ms
