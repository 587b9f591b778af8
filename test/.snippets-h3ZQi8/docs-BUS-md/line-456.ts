import { lifecycle, ProcessBus, signals } from 'secret-bus'

const bus = new ProcessBus().use('signals', signals(process))
bus.subscribe(lifecycle.graceful, () => console.log('reloading')) // reloading
await bus.start()
process.emit('SIGHUP', 'SIGHUP') // simulates the signal
await bus.exit()
