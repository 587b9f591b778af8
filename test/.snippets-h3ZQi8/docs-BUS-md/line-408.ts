import { setTimeout as sleep } from 'node:timers/promises'
import { lifecycle, ProcessBus } from 'secret-bus'

const bus = new ProcessBus()
bus.subscribe(lifecycle.start, () => sleep(10))
const starting = bus.start()
console.log(bus.start() === starting, bus.state) // true STARTING
console.log(await Promise.all([bus.exit(), starting.catch(String)])) // [ 70, 'Exiting: The process is exiting' ]
