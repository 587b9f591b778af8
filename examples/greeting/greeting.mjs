// @ts-check
/**
 * A route that requests a greeting from the bus, and the provider of the greeting.
 * @type {import('secret-bus').Plugin}
 */
export default ({ callOf, channels, request }) => {
  /** @type {import('secret-bus').RequestChannel<{ name: string }, string>} */
  const getGreeting = request('greeting.get', { timeout: 1_000 })

  const name = { type: 'string', description: 'Name to greet' }
  const response = { description: 'The greeting', type: 'object', properties: { greeting: { type: 'string' } } }
  const params = { type: 'object', properties: { name } }
  const schema = { summary: 'Greet a person by name', params, response: { 200: response } }

  return (bus) => {
    const requestGreeting = bus.requester(getGreeting) // the bus checks at startup that there is a provider
    bus.provide(getGreeting, ({ name }) => `Hello, ${name}!`)
    bus.subscribe(channels.httpRoutes, (app) => {
      app.get('/greeting/:name', { schema }, async (incoming) => {
        const { name } = /** @type {{ name: string }} */ (incoming.params)
        return { greeting: await requestGreeting({ name }, callOf(incoming)) }
      })
    })
  }
}
