/** Defines example-service: its options and its subscribers, in start order. */
import { defineService, http, readPackage } from 'secret-bus'

export const service = defineService({
  ...readPackage(import.meta.url),
  options: {
    salutation: { group: 'Greetings', describe: 'Words before the name', type: 'text', default: 'Hello' },
    ...http.options,
  },
  commands: http.commands,
  subscribers: async (options) => {
    // Imported here, so that `--help` and `healthcheck` do not load them.
    const [{ greetings }, { greetingRoutes }] = await Promise.all([
      import('./providers/greetings.ts'),
      import('./routes/greetings.ts'),
    ])
    return {
      greetings: greetings(options),
      'greeting-routes': greetingRoutes(),
      ...(await http.subscribers(options)),
    }
  },
})
