import { Bus, type ChannelFailures, event } from 'secret-bus'

const bus = new Bus()
const joined = event<string, string>('user.joined')
bus.subscribe(joined, () => Promise.reject(new Error('no paper')), { name: 'printer' })
bus.subscribe(joined, () => 'hello', { name: 'greeter' })
const failure: ChannelFailures = await bus.publish(joined, 'rose').catch((error) => error)
// prints error: printer failed on user.joined: no paper
console.log(failure.failures[0]?.listener, failure.outputs) // printer [ 'hello' ]
