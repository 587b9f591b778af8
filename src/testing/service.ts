/** Starts the complete service for a test. */
import { pino } from 'pino'
import type { Subscriber } from '../bus/process/process-bus.ts'
import { readPackage } from '../runtime/package.ts'
import { type HttpService, started } from './http.ts'
import { type Flags, optionsOf } from './plugin-context.ts'
import { record } from './recorded-bus.ts'

/**
 * Starts the service in this process and on a free port. It does not handle signals, depend on environment variables or
 * write logs: log records are only recorded.
 * @param subscribers subscribers by name, added after the plugins of `flags`. One with the name of a built-in
 *   subscriber that `without` leaves out replaces it
 * @param flags overrides of the default options: `{ without: 'dynamodb', plugin: 'file-source.ts' }`
 * @throws UsageError if an option is invalid; UnusableFile if a plugin cannot be loaded; the error of the failed start,
 *   after everything has stopped
 */
export async function startService(
  subscribers: Readonly<Record<string, Subscriber>> = {},
  flags: Flags = {},
): Promise<HttpService> {
  // Imported here, so that tests that do not start the service need not load it.
  const [{ loadPlugins }, { service }] = await Promise.all([import('../runtime/plugins.ts'), import('../service.ts')])
  const options = await optionsOf({ port: 0, ...flags })
  const bus = service(
    { ...options, without: [...options.without, 'signals'] },
    {
      logger: pino({ enabled: false }),
      process,
      package: readPackage(),
      plugins: { ...(await loadPlugins(options)), ...subscribers },
    },
  )
  return started(record(bus))
}
