import { lifecycle, ProcessBus } from 'secret-bus'

const bus = new ProcessBus()
const seen: string[] = []
bus.subscribe(lifecycle.state, (state) => seen.push(state))
void bus.start()
console.log(await bus.wait('STARTED')) // STARTED
await bus.exit()
console.log(seen.join(' ')) // STARTING STARTED STOPPING STOPPED EXITING
