/** Actions and events of a broker without transporter. */
import { ServiceBroker } from 'moleculer'
import { print, query, value } from './measure.ts'

const started = async (requestTimeout: number) => {
  const broker = new ServiceBroker({ logger: false, requestTimeout })
  broker.createService({ name: 'secret', actions: { get: () => value, later: async () => value } })
  for (const count of [1, 10])
    for (let i = 0; i < count; i += 1)
      broker.createService({ name: `listener-${count}-${i}`, events: { [`event.${count}`]: { handler: () => {} } } })
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
    '0 listeners': () => broker.broadcastLocal('event.0', query),
    '1 listener': () => broker.broadcastLocal('event.1', query),
    '10 listeners': () => broker.broadcastLocal('event.10', query),
  },
})
await Promise.all([broker.stop(), withTimeout.stop()])
