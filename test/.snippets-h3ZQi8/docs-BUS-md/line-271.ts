import { setImmediate as turn } from 'node:timers/promises'
import { Bus, request } from 'secret-bus'

const bus = new Bus()
const find = request<string, string>('find')
const askAgain = async (name: string): Promise<string> => {
  await turn()
  return bus.request(find, name) // without the call context
}
bus.provide(find, askAgain, { name: 'parrot' })
const outcome = await bus.request(find, 'rose').catch(String)
// prints error: parrot has too many pending calls on find (about 10,000); is it called in a cycle?
console.log(outcome) // ChannelOverloaded: parrot has too many pending calls on find (about 10,000); is it called in a cycle?
