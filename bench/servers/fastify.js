/** Bare Fastify with the routes of the service: the lower bound of the cost. With `--guarded` it also checks a token and writes the audit line. */
import fastify from 'fastify'

const port = Number(process.argv[2])
const isGuarded = process.argv.includes('--guarded')
const text = { type: 'string' }
const secret = { secret_code: 'the secret of thedoctor' }
const health = {
  status: 'healthy',
  container: 'https://hub.docker.com/r/secretbus/secret-bus',
  project: 'https://github.com/secret-bus/secret-bus',
}

const app = fastify()
if (isGuarded) {
  const { default: bearerAuth } = await import('@fastify/bearer-auth')
  await app.register(bearerAuth, { keys: new Set(['a-token-of-some-length']) })
}
const schemaOf = (properties) => ({ response: { 200: { type: 'object', properties } } })
app.get('/health', { schema: schemaOf({ status: text, container: text, project: text }) }, async () => health)
app.get('/secret', { schema: schemaOf({ secret_code: text }) }, async () => secret)

if (isGuarded) {
  const { pino } = await import('pino')
  const logger = pino({
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
  })
  app.addHook('onResponse', (request, reply, done) => {
    const { id: reqId, ip: client } = request
    const { statusCode: status } = reply
    logger.info({ reqId, client, codeName: 'thedoctor', status, cache: 'secret-bus; hit' }, 'Secret accessed')
    done()
  })
}
await app.listen({ port, host: '127.0.0.1' })
