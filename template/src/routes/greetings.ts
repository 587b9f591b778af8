/** `GET /greetings/:name` */
import { callOf, channels, type Subscriber } from 'secret-bus'
import { getGreeting } from '../channels.ts'

/** Validates the input, and documents the route in `/openapi.json` and at `/docs`. */
const schema = {
  summary: 'Greet a person by name',
  params: {
    type: 'object',
    properties: { name: { type: 'string', description: 'Name of the person', minLength: 1, maxLength: 40 } },
  },
  response: {
    200: { description: 'The greeting', type: 'object', properties: { greeting: { type: 'string' } } },
  },
}

export const greetingRoutes = (): Subscriber => (bus) => {
  const requestGreeting = bus.requester(getGreeting) // the bus checks at start that there is a provider

  bus.subscribe(channels.httpRoutes, (app) => {
    app.get<{ Params: { name: string } }>('/greetings/:name', { schema }, async (request) => {
      const { name } = request.params
      return { greeting: await requestGreeting({ name }, callOf(request)) }
    })
  })
}
