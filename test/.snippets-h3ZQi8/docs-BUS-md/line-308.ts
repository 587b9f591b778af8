import { Bus, request } from 'secret-bus'

const bus = new Bus()
const find = request<string, string>('find')
bus.use('routes', (bus) => void bus.requester(find))
bus.use('cache', (bus) => void bus.provide(find, (name) => name))
for (const { channel, usedBy, handlers } of bus.topology()) {
  const names = handlers.map(({ name }) => name)
  console.log(channel, usedBy, names) // find [ 'routes' ] [ 'cache' ]
}
bus.tap(({ by, channel, id }) => console.log(`${by} handled ${channel} for ${id}`)) // cache handled find for request 7
await bus.request(find, 'rose', { id: 'request 7' })
