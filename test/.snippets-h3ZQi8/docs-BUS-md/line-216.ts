import { Bus, request } from 'secret-bus'

const bus = new Bus()
const [find, fetchIt] = [request<string, string>('find'), request<string, string>('fetch')]
bus.provide(find, (name, call) => bus.request(fetchIt, name, call))
bus.provide(fetchIt, (_, { id, signal }) => {
  signal.addEventListener('abort', () => console.log(`${id} was aborted`)) // request 7 was aborted
  return new Promise(() => {})
})
const client = new AbortController()
const answer = bus.request(find, 'rose', { id: 'request 7', signal: client.signal })
client.abort(new Error('the client has disconnected'))
console.log(await answer.catch(String)) // Error: the client has disconnected
