import { lifecycle, ProcessBus } from 'secret-bus'

const bus = new ProcessBus({ shutdownTimeout: 10 })
bus.use('mule', (bus) => void bus.subscribe(lifecycle.stop, () => new Promise(() => {})))
await bus.start()
const code = await bus.exit()
// prints error: mule failed on lifecycle.stop: Shutdown timed out after 10 ms
console.log(code) // 70
