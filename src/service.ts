/** Defines secret-bus: its options and its subscribers. */
import { http } from './handlers/http.ts'
import { defineService } from './runtime/define-service.ts'
import { readPackage } from './runtime/package.ts'
import { secretOptions } from './secret-options.ts'

export const secretBus = defineService({
  ...readPackage(import.meta.url),
  options: { ...http.options, ...secretOptions },
  subscribers: async (options, { environment }) => {
    const { secretSubscribers } = await import('./secret-subscribers.ts')
    return { ...(await http.subscribers(options)), ...secretSubscribers(options, environment) }
  },
  epilogue: 'AWS credentials come from the default provider chain of the AWS SDK.',
})
