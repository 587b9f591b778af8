/** The secrets of a service: options and subscribers to spread into its definition. They provide `secret.get`. */
import type { Subscriber } from './bus/process/process-bus.ts'
import type { ServiceContext, ServiceOptions } from './runtime/define-service.ts'
import { secretOptions } from './secret-options.ts'

export type SecretOptions = ServiceOptions<typeof secretOptions>

export const secrets = {
  options: secretOptions,
  /**
   * The source and the cache of the secrets. List them before the subscribers that use the secrets when they start or
   * reload.
   */
  async subscribers(
    options: SecretOptions,
    { environment }: Pick<ServiceContext, 'environment'>,
  ): Promise<Record<string, Subscriber>> {
    // Imported on demand, because most commands read no secrets.
    const { secretSubscribers } = await import('./secret-subscribers.ts')
    return secretSubscribers(options, environment)
  },
}
