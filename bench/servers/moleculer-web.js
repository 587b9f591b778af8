/** Moleculer's web gateway with a local action that returns the secret. */
import { ServiceBroker } from 'moleculer'
import ApiGateway from 'moleculer-web'

const broker = new ServiceBroker({ logger: false })
broker.createService({
  name: 'secret',
  actions: { get: () => ({ secret_code: 'the secret of thedoctor' }) },
})
broker.createService({
  name: 'api',
  mixins: [ApiGateway],
  settings: {
    ip: '127.0.0.1',
    port: Number(process.argv[2]),
    routes: [{ path: '/', aliases: { 'GET secret': 'secret.get' }, mappingPolicy: 'restrict' }],
  },
})
await broker.start()
