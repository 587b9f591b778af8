/** A route that requests a greeting from the bus, and the provider of the greeting. */
import type { Plugin } from 'secret-bus'

const greeting: Plugin = ({ callOf, channels, request }) => {
  const getGreeting = request<{ name: string }, string>('greeting.get', { timeout: 1_000 })

  const name = { type: 'string', description: 'Name to greet' }
  const response = { description: 'The greeting', type: 'object', properties: { greeting: { type: 'string' } } }
  const params = { type: 'object', properties: { name } }
  const schema = { summary: 'Greet a person by name', params, response: { 200: response } }

  return (bus) => {
    const requestGreeting = bus.requester(getGreeting) // the bus checks at startup that there is a provider
    bus.provide(getGreeting, ({ name }) => `Hello, ${name}!`)
    bus.subscribe(channels.httpRoutes, (app) => {
      app.get<{ Params: { name: string } }>('/greeting/:name', { schema }, async (incoming) => {
        return { greeting: await requestGreeting(incoming.params, callOf(incoming)) }
      })
    })
  }
}

export default greeting
