/** The whole service, in this process. */
import { pino } from 'pino'
import type { Subscriber } from '../bus/process/process-bus.ts'
import { readPackage } from '../runtime/package.ts'
import { type HttpService, started } from './http.ts'
import { type Flags, optionsOf } from './plugin-context.ts'
import { record } from './recorded-bus.ts'

/**
 * Starts the service on a free port, as the program would with these flags, so that a plug-in meets whatever will be
 * around it. The process keeps its own signals, and what is logged goes nowhere but into the records.
 * @param subscribers come after the plug-ins that `flags` names, under these names; one with the name of a built-in subscriber
 *   takes the place of that, if `without` leaves it out
 * @param flags the options that are not the defaults: `{ without: 'dynamodb', plugin: 'file-source.ts' }`. The environment of
 *   this process is not looked at
 * @throws UsageError for the flags, UnusableFile for a plug-in, what the start fails with; nothing is left running then
 */
export async function startService(
  subscribers: Readonly<Record<string, Subscriber>> = {},
  flags: Flags = {},
): Promise<HttpService> {
  // Not loaded before it is asked for: whoever tests without the whole service need not wait for all of it.
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
