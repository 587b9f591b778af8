// @ts-check
/**
 * A route that requests a greeting from the bus, and the provider of the greeting.
 * @type {import('secret-bus').Plugin}
 */
export default ({ channels, request }) => {
  /** @type {import('secret-bus').RequestChannel<{ name: string }, string>} */
  const getGreeting = request('greeting.get', { timeout: 1_000 })

  const name = { type: 'string', description: 'Name to greet' }
  const answer = { description: 'The greeting', type: 'object', properties: { greeting: { type: 'string' } } }
  const params = { type: 'object', properties: { name } }
  const schema = { summary: 'Greets a person by name', params, response: { 200: answer } }

  return (bus) => {
    const ask = bus.requester(getGreeting) // checked at start
    bus.provide(getGreeting, ({ name }) => `Hello, ${name}!`)
    bus.subscribe(channels.httpRoutes, (app) => {
      app.get('/greeting/:name', { schema }, async ({ id, params }) => {
        const { name } = /** @type {{ name: string }} */ (params)
        return { greeting: await ask({ name }, { id }) }
      })
    })
  }
}
