import { Bus, event } from 'secret-bus'

const bus = new Bus()
const joined = event<string, string | undefined>('user.joined')
console.log(await bus.publish(joined, 'rose')) // []
bus.subscribe(joined, async (name) => `hello ${name}`)
bus.subscribe(joined, () => undefined)
bus.subscribe(joined, () => 'first', { priority: 10 })
console.log(await bus.publish(joined, 'rose')) // [ 'first', 'hello rose', undefined ]
