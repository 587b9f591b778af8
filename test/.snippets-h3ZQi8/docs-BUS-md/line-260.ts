import { Bus, request } from 'secret-bus'

const bus = new Bus()
const [find, fetchIt] = [request<string, string>('find'), request<string, string>('fetch')]
bus.provide(find, (name, call) => bus.request(fetchIt, name, call))
bus.provide(fetchIt, async (name, call) => bus.request(find, name, call))
const outcome = await bus.request(find, 'rose').catch(String)
console.log(outcome) // CallCycle: Calls must not be cyclic: find -> fetch -> find (more than 64 nested calls)
