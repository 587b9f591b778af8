import { lifecycle, ProcessBus } from 'secret-bus'

const bus = new ProcessBus({ reloadTimeout: 10 })
bus.use('mule', (bus) => void bus.subscribe(lifecycle.graceful, () => new Promise(() => {})))
bus.use('cache', (bus) => void bus.subscribe(lifecycle.graceful, () => 'secrets reloaded'))
await bus.start()
const [mule, cache] = await bus.gracefulSettled()
// prints error: mule failed on lifecycle.graceful: mule did not finish lifecycle.graceful within 10 ms
console.log(mule?.status, cache) // rejected { handler: 'cache', status: 'fulfilled', value: 'secrets reloaded' }
await bus.exit()
