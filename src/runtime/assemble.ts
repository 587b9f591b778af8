/** Assembles a service: one bus with its subscribers and plugins. */
import type { Logger } from 'pino'
import { log } from '../bus/process/log.ts'
import { ProcessBus, type Subscriber } from '../bus/process/process-bus.ts'
import { signals } from '../bus/process/signals.ts'
import { UsageError } from '../errors.ts'
import { type DroppedLines, logMetrics } from '../handlers/metrics/log-metrics.ts'
import type { Service, ServiceOptions } from './define-service.ts'
import type { EffectiveOption } from './options/effective.ts'
import type { OptionRecord } from './options/option.ts'
import { valuesOf } from './options/parse.ts'
import { choice } from './options/types.ts'
import { startLog } from './start-log.ts'

/** The dependencies of a service, passed in so that tests can replace them. */
export interface Dependencies {
  readonly logger: Logger
  readonly process: NodeJS.Process
  /** The environment variables; none by default. */
  readonly environment?: NodeJS.ProcessEnv
  /** Ends the process immediately; `process.exit` by default. */
  readonly end?: (code: number) => unknown
  /** The number of lost log lines so far, if the logger counts them. */
  readonly dropped?: () => DroppedLines
  /** The options of the service and of the plugins, which are logged at the start if given. */
  readonly effective?: readonly EffectiveOption[]
  /** Exports traces, if that is asked for. */
  readonly tracing?: Subscriber | undefined
  /** Plugins by subscriber name. */
  readonly plugins?: Readonly<Record<string, Subscriber>>
}

/**
 * Creates the bus and its subscribers: those of every service, those of the definition, and the plugins, in start order.
 * Nothing runs until the bus is started.
 * @throws UsageError if `without` names a subscriber that is unknown or mandatory, or if a plugin has the name of a
 *   built-in subscriber; TypeError if the definition returns no valid subscribers; what the definition throws
 */
export async function assemble<Declared extends OptionRecord>(
  service: Service<Declared>,
  options: ServiceOptions<Declared>,
  { logger, process, environment = {}, end, dropped, effective, tracing, plugins = {} }: Dependencies,
): Promise<ProcessBus> {
  const ofEveryService: Record<string, Subscriber> = {
    ...(tracing && { tracing }),
    log: log(logger),
    signals: signals(process, { end }),
    ...(effective && { 'start-log': startLog(process.version, effective) }),
    ...(dropped && { 'log-metrics': logMetrics(dropped) }),
  }
  const own = await service.subscribers(options, { service: service.info, environment })
  checkSubscribers(own, ofEveryService)
  const builtIn = { ...ofEveryService, ...own }
  checkWithout(options.without, builtIn)
  const conflict = Object.keys(plugins).find((name) => Object.hasOwn(builtIn, name) && !options.without.includes(name))
  if (conflict !== undefined)
    throw new UsageError(
      `Plugin ${conflict} has the name of a built-in subscriber; replace it with --without ${conflict}`,
    )
  const bus = new ProcessBus({
    shutdownTimeout: options.drain + options.shutdownTimeout,
    reloadTimeout: options.reloadTimeout,
    service: service.info,
  })
  for (const [name, subscriber] of Object.entries(builtIn))
    if (!options.without.includes(name)) bus.use(name, subscriber)
  for (const [name, plugin] of Object.entries(plugins)) bus.use(name, plugin)
  return bus
}

/** Checks what a definition written in JavaScript may get wrong. */
function checkSubscribers(subscribers: Readonly<Record<string, Subscriber>>, ofEveryService: object): void {
  if (typeof subscribers !== 'object' || subscribers === null || Array.isArray(subscribers))
    throw new TypeError('subscribers must return a record of subscribers by name')
  const taken = Object.keys(subscribers).find((name) => Object.hasOwn(ofEveryService, name))
  if (taken !== undefined)
    throw new TypeError(`subscriber ${taken} must not have the name of a subscriber that every service has`)
}

function checkWithout(without: readonly string[], builtIn: Readonly<Record<string, Subscriber>>): void {
  const allowed = Object.keys(builtIn).filter((name) => !builtIn[name]?.mandatory)
  valuesOf('--without', { type: choice(allowed), repeatable: true }, without)
}
