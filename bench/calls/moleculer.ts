/** Actions of a broker that is connected to no other; its events go through the same machinery. */
import { ServiceBroker } from 'moleculer'
import { print, query, value } from './measure.ts'

const started = async (requestTimeout: number) => {
  const broker = new ServiceBroker({ logger: false, requestTimeout })
  broker.createService({ name: 'secret', actions: { get: () => value, later: async () => value } })
  for (const count of [1, 10])
    for (let i = 0; i < count; i += 1)
      broker.createService({ name: `hearer-${count}-${i}`, events: { [`heard.by.${count}`]: { handler: () => {} } } })
  await broker.start()
  return broker
}
const broker = await started(0)
const withTimeout = await started(60_000)

await print({
  awaited: {
    'synchronous answer': () => broker.call('secret.get', query),
    'asynchronous answer': () => broker.call('secret.later', query),
    'asynchronous answer, timeout': () => withTimeout.call('secret.later', query),
    '0 listeners': () => broker.broadcastLocal('heard.by.0', query),
    '1 listener': () => broker.broadcastLocal('heard.by.1', query),
    '10 listeners': () => broker.broadcastLocal('heard.by.10', query),
  },
})
await Promise.all([broker.stop(), withTimeout.stop()])
