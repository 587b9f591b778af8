import { getEventListeners } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { Bus, request } from 'secret-bus'

const bus = new Bus()
const [known, found] = [request<void, string>('known'), request<void, string>('found', { timeout: 60_000 })]
bus.provide(known, () => 'rose')
bus.provide(found, async () => 'rose')
const before = process.getActiveResourcesInfo().length
const answer = bus.request(known, undefined, { timeout: 60_000 })
console.log(process.getActiveResourcesInfo().length - before, await answer) // 0 rose
const { signal } = new AbortController()
for (let count = 0; count < 100; count += 1) await bus.request(found, undefined, { signal })
await turn()
console.log(getEventListeners(signal, 'abort').length) // 0
