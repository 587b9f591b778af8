/** @type {import('secret-bus').Plugin} */
export default ({ channels, request }) => {
  /** @type {import('secret-bus').RequestChannel<{ name: string }, string>} */
  const getHello = request('hello.get', { timeout: 1_000 })

  const schema = {
    summary: 'Say hello',
    params: { type: 'object', properties: { name: { type: 'string', description: 'The name to greet' } } },
    response: { 200: { description: 'The greeting', type: 'object', properties: { hello: { type: 'string' } } } },
  }

  return (bus) => {
    const requestHello = bus.requester(getHello) // declares the request; the bus checks at start that it has a provider
    bus.provide(getHello, ({ name }) => `Hello, ${name}!`)
    bus.subscribe(channels.httpRoutes, (app) => {
      app.get('/hello/:name', { schema }, async ({ id, params }) => ({ hello: await requestHello(params, { id }) }))
    })
  }
}
