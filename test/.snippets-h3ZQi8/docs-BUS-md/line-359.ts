import { lifecycle, ProcessBus } from 'secret-bus'

const bus = new ProcessBus()
const steps: string[] = []
for (const name of ['database', 'server']) {
  bus.use(name, (bus) => {
    bus.subscribe(lifecycle.start, () => steps.push(`${name} up`))
    bus.subscribe(lifecycle.stop, () => steps.push(`${name} down`))
  })
}
await bus.start()
console.log(await bus.exit(), steps.join(', ')) // 0 database up, server up, server down, database down
