import { setTimeout as sleep } from 'node:timers/promises'
import { Bus, type ChannelFailures, event } from 'secret-bus'

const bus = new Bus()
const joined = event<string, string>('user.joined')
bus.subscribe(joined, (_, { signal }) => sleep(60_000, 'done', { signal }), { name: 'sloth', timeout: 10 })
bus.subscribe(joined, () => 'hello')
const failure: ChannelFailures = await bus.publish(joined, 'rose').catch((error) => error)
// prints error: sloth failed on user.joined: sloth did not finish user.joined within 10 ms
console.log(failure.outputs) // [ 'hello' ]
