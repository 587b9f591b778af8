/** Starts the complete service for a test. */
import type { Subscriber } from '../bus/process/process-bus.ts'
import type { Service, ServiceOptions } from '../runtime/define-service.ts'
import type { OptionRecord } from '../runtime/options/option.ts'
import { secretBus } from '../service.ts'
import { type HttpService, started } from './http.ts'
import { type Flags, valuesOf } from './plugin-context.ts'
import { record } from './recorded-bus.ts'

/**
 * Starts a service in this process and on a free port. It does not handle signals, depend on environment variables or
 * write logs: log records are only recorded.
 * @param subscribers subscribers by name, added after the plugins of `flags`. One with the name of a built-in
 *   subscriber that `without` leaves out replaces it
 * @param flags overrides of the default options: `{ without: 'dynamodb', plugin: 'file-source.ts' }`
 * @param service what `defineService` has returned; secret-bus by default
 * @throws UsageError if an option is invalid; UnusableFile if a plugin cannot be loaded; the error of the failed start,
 *   after everything has stopped
 */
export async function startService<Declared extends OptionRecord = OptionRecord>(
  subscribers: Readonly<Record<string, Subscriber>> = {},
  flags: Flags = {},
  service?: Service<Declared>,
): Promise<HttpService> {
  // Imported here, so that tests that do not start the service need not load it.
  const [{ assemble }, { createPlugins, importPlugins }, { pino }] = await Promise.all([
    import('../runtime/assemble.ts'),
    import('../runtime/plugins/plugins.ts'),
    import('pino'),
  ])
  const definition = (service ?? secretBus) as unknown as Service // its options are validated when they are read
  const given = { port: 0, ...flags }
  const plugins = await importPlugins([flags['plugin'] ?? []].flat().map(String), definition)
  const values = await valuesOf(
    definition,
    given,
    plugins.flatMap(({ options }) => options),
  )
  const options = values[''] as ServiceOptions<OptionRecord> // as declared by the service
  const bus = await assemble(
    definition,
    { ...options, without: [...options.without, 'signals'] },
    {
      logger: pino({ enabled: false }),
      process,
      plugins: { ...(await createPlugins(plugins, definition, values)), ...subscribers },
    },
  )
  return started(record(bus))
}
