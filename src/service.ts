/** Assembles the service: one bus with its subscribers. */
import type { Logger } from 'pino'
import { log } from './bus/process/log.ts'
import { ProcessBus, type Subscriber } from './bus/process/process-bus.ts'
import { signals } from './bus/process/signals.ts'
import { UsageError } from './errors.ts'
import { auditTrail } from './handlers/audit-trail.ts'
import { authentication } from './handlers/guards/authentication.ts'
import { loadShedding } from './handlers/guards/load-shedding.ts'
import { noAuthentication } from './handlers/guards/no-authentication.ts'
import { inspector } from './handlers/inspector/inspector.ts'
import { busMetrics } from './handlers/metrics/bus-metrics.ts'
import { type DroppedLines, logMetrics } from './handlers/metrics/log-metrics.ts'
import { adminRoutes } from './handlers/routes/admin.ts'
import { docs } from './handlers/routes/docs.ts'
import { healthRoutes } from './handlers/routes/health.ts'
import { metricsRoutes } from './handlers/routes/metrics.ts'
import { secretRoutes } from './handlers/routes/secret.ts'
// Imported only for its loading time: the server imports it when it starts.
import './handlers/server/app.ts'
import { httpServer } from './handlers/server/http-server.ts'
import { defaultLimits } from './handlers/server/limits.ts'
import { openFilesLimit, withinOpenFiles } from './handlers/server/open-files.ts'
import type { Options } from './runtime/options/definitions.ts'
import { valuesOf } from './runtime/options/parse.ts'
import { choice } from './runtime/options/types.ts'
import type { Package } from './runtime/package.ts'
import { secretCache } from './sources/cache/secret-cache.ts'
import { dynamodb } from './sources/dynamodb/dynamodb.ts'
import { embeddedDynamodb } from './sources/dynamodb/embedded-dynamodb.ts'
import { identity } from './sources/identity.ts'
import { tokens } from './sources/tokens.ts'

/** The dependencies of the service, passed in so that tests can replace them. */
export interface Dependencies {
  readonly logger: Logger
  readonly process: NodeJS.Process
  readonly package: Package
  /** Ends the process immediately; `process.exit` by default. */
  readonly end?: (code: number) => unknown
  /** The number of lost log lines so far, if the logger counts them. */
  readonly dropped?: () => DroppedLines
  /** Plugins by subscriber name. */
  readonly plugins?: Readonly<Record<string, Subscriber>>
}

/** The built-in subscribers, in start order. They stop in reverse order, so the HTTP server comes last. */
function subscribers(options: Options, { logger, process, package: own, end, dropped }: Dependencies) {
  const hasTokens = Boolean(options.authTokenFile || options.authToken)
  const limits = {
    ...withinOpenFiles(defaultLimits, openFilesLimit()),
    keepAliveTimeout: options.keepAliveTimeout,
  }
  return {
    log: log(logger),
    signals: signals(process, { end }),
    // Refuses to start before any other subscriber connects or listens.
    'no-authentication': noAuthentication(options),
    'bus-metrics': busMetrics(),
    ...(dropped && { 'log-metrics': logMetrics(dropped) }),
    identity: identity({ ...options, own }),
    ...(options.embedded && { 'embedded-dynamodb': embeddedDynamodb(options) }),
    dynamodb: dynamodb(options),
    'secret-cache': secretCache(options),
    docs: docs({ own }),
    // Before the subscribers that reject requests, so that rejected requests are counted.
    'metrics-routes': metricsRoutes(),
    'load-shedding': loadShedding(limits),
    ...(hasTokens && { tokens: tokens(options) }),
    authentication: authentication({ required: hasTokens }),
    'admin-routes': adminRoutes(),
    ...(options.inspector && { inspector: inspector() }),
    'health-routes': healthRoutes(),
    'audit-trail': auditTrail(),
    'secret-routes': secretRoutes(options),
    // Listens once all routes are registered, so plugins come before it.
    'http-server': httpServer(options, limits),
  } satisfies Record<string, Subscriber>
}

/**
 * Creates the bus and its subscribers. Nothing runs until the bus is started.
 * @throws UsageError if `without` names a subscriber that is unknown or required, or if a plugin has the name of a
 *   built-in subscriber
 */
export function service(options: Options, dependencies: Dependencies): ProcessBus {
  const { plugins = {} } = dependencies
  const { 'http-server': server, ...others } = subscribers(options, dependencies)
  const builtIn = [...Object.keys(others), 'http-server']
  checkWithout(options.without, builtIn)
  const conflict = Object.keys(plugins).find((name) => builtIn.includes(name) && !options.without.includes(name))
  if (conflict !== undefined)
    throw new UsageError(
      `Plugin ${conflict} has the name of a built-in subscriber; replace it with --without ${conflict}`,
    )
  const bus = new ProcessBus({
    shutdownTimeout: options.drain + options.shutdownTimeout,
    reloadTimeout: options.reloadTimeout,
  })
  const all = { ...others, ...plugins, 'http-server': plugins['http-server'] ?? server }
  for (const [name, subscriber] of Object.entries(all))
    if (name in plugins || !options.without.includes(name)) bus.use(name, subscriber)
  return bus
}

function checkWithout(without: readonly string[], builtIn: readonly string[]): void {
  // Leaving these out would disable authentication, or the check that this is allowed explicitly.
  const allowed = builtIn.filter((name) => name !== 'authentication' && name !== 'no-authentication')
  valuesOf('--without', { type: choice(allowed), repeatable: true }, without)
}
