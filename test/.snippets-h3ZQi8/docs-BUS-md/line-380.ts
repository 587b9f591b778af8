import { lifecycle, ProcessBus } from 'secret-bus'

const bus = new ProcessBus()
bus.subscribe(lifecycle.graceful, () => 'certificate reloaded')
console.log(await bus.graceful()) // []
await bus.start()
console.log(await bus.graceful(), bus.state) // [ 'certificate reloaded' ] STARTED
await bus.exit()
