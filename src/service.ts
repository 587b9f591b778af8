/** Defines secret-bus: its options, its subscribers and its commands. */
import { http } from './http.ts'
import { defineService } from './runtime/define-service.ts'
import { readPackage } from './runtime/package.ts'
import { privateCodeNames } from './secret-options.ts'
import { secrets } from './secrets.ts'

export const secretBus = defineService({
  ...readPackage(import.meta.url),
  options: { ...http.options, ...secrets.options },
  // In start order. They stop in reverse order, after the HTTP server.
  subscribers: async (options, context) => {
    const [{ auditTrail }, { accessMetrics }, { secretRoutes }] = await Promise.all([
      import('./handlers/audit-trail.ts'),
      import('./handlers/metrics/access-metrics.ts'),
      import('./handlers/routes/secret.ts'),
    ])
    const privateNames = privateCodeNames(options)
    return {
      ...(await http.subscribers(options)),
      ...(await secrets.subscribers(options, context)),
      'audit-trail': auditTrail(),
      'access-metrics': accessMetrics({ codeNames: [...options.codeNames, ...privateNames] }),
      'secret-routes': secretRoutes({ codeNames: options.codeNames, privateCodeNames: privateNames }),
    }
  },
  commands: {
    ...http.commands,
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
