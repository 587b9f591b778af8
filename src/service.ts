/** Defines secret-bus: its options, its subscribers and its commands. */
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
  commands: {
    new: {
      args: '<name>',
      describe: 'Create a service in a new folder of this name',
      run: async ([name = ''], process) => {
        const { newService } = await import('./runtime/cli/new-service.ts')
        return newService(name, process)
      },
    },
  },
  epilogue: 'AWS credentials come from the default provider chain of the AWS SDK.',
})
