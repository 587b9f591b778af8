import { lifecycle, ProcessBus } from 'secret-bus'

const bus = new ProcessBus()
bus.use('database', (bus) => void bus.subscribe(lifecycle.start, () => Promise.reject(new Error('no table'))))
bus.use('server', (bus) => void bus.subscribe(lifecycle.start, () => console.log('listening')))
const outcome = await bus.start().catch(String)
// prints error: database failed on lifecycle.start: no table
console.log(outcome, bus.state, await bus.exit()) // Error: no table EXITING 70
