/** The channels of example-service. */
import { request } from 'secret-bus'

/** Returns the greeting for a name. Requested by the route, provided by `providers/greetings.ts`. */
export const getGreeting = request<{ readonly name: string }, string>('greeting.get', { timeout: 1_000 })
