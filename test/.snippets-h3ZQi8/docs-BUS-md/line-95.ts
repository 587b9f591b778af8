import { Bus, event } from 'secret-bus'

const bus = new Bus()
const joined = event<string, string>('user.joined')
bus.subscribe(joined, () => Promise.reject(new Error('no paper')), { name: 'printer' })
bus.subscribe(joined, () => 'hello', { name: 'greeter' })
const [printer, greeter] = await bus.publishSettled(joined, 'rose')
// prints error: printer failed on user.joined: no paper
console.log(printer?.handler, printer?.status) // printer rejected
console.log(greeter) // { handler: 'greeter', status: 'fulfilled', value: 'hello' }
