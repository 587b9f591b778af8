import { setTimeout as sleep } from 'node:timers/promises'
import { Bus, event } from 'secret-bus'

const bus = new Bus()
const opened = event('shop.opened', { warnAfter: 200 })
bus.subscribe(opened, () => sleep(300, 'open'), { name: 'sloth' })
// prints warn: Still waiting for sloth on shop.opened, 0.2 s so far
console.log(await bus.publish(opened)) // [ 'open' ]
