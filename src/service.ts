/** The service: one bus, and everything that it does as a subscriber of it. */
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
import { adminRoutes } from './handlers/routes/admin.ts'
import { docs } from './handlers/routes/docs.ts'
import { healthRoutes } from './handlers/routes/health.ts'
import { metricsRoutes } from './handlers/routes/metrics.ts'
import { secretRoutes } from './handlers/routes/secret.ts'
import { httpServer } from './handlers/server/http-server.ts'
import type { Options } from './runtime/options/definitions.ts'
import { valuesOf } from './runtime/options/parse.ts'
import { choice } from './runtime/options/types.ts'
import type { Package } from './runtime/package.ts'
import { secretCache } from './sources/cache/secret-cache.ts'
import { dynamodb } from './sources/dynamodb/dynamodb.ts'
import { embeddedDynamodb } from './sources/dynamodb/embedded-dynamodb.ts'
import { identity } from './sources/identity.ts'
import { tokens } from './sources/tokens.ts'

/** What the service does not make itself. */
export interface Dependencies {
  readonly logger: Logger
  readonly process: NodeJS.Process
  readonly package: Package
  /** Subscribers of others, by the names that the bus is to know them by. */
  readonly plugins?: Readonly<Record<string, Subscriber>>
}

/** In start order. The process starts down the list and stops up it, so whoever serves clients comes last. */
function subscribers(options: Options, { logger, process, package: own }: Dependencies) {
  const guarded = Boolean(options.authTokenFile || options.authToken)
  return {
    log: log(logger),
    signals: signals(process),
    'bus-metrics': busMetrics(),
    identity: identity({ ...options, own }),
    ...(options.embedded && { 'embedded-dynamodb': embeddedDynamodb(options) }),
    dynamodb: dynamodb(options),
    'secret-cache': secretCache(options),
    docs: docs({ own, guarded }),
    // Before whatever refuses requests, which are counted too.
    'metrics-routes': metricsRoutes(),
    'load-shedding': loadShedding(),
    ...(guarded
      ? { tokens: tokens(options), authentication: authentication(), 'admin-routes': adminRoutes() }
      : { 'no-authentication': noAuthentication() }),
    ...(options.inspector && { inspector: inspector() }),
    'health-routes': healthRoutes(),
    'audit-trail': auditTrail(),
    'secret-routes': secretRoutes(options),
    // It listens once all routes are there, so plug-ins come before it.
    'http-server': httpServer(options),
  } satisfies Record<string, Subscriber>
}

/**
 * Wires the service; nothing runs until the bus is started.
 * @throws UsageError if somebody is to be left out who is not there, or cannot be, or if a plug-in has a name that is taken
 */
export function service(options: Options, dependencies: Dependencies): ProcessBus {
  const { plugins = {} } = dependencies
  const { 'http-server': server, ...others } = subscribers(options, dependencies)
  const builtIn = [...Object.keys(others), 'http-server']
  checkWithout(options.without, builtIn)
  const taken = Object.keys(plugins).find((name) => builtIn.includes(name) && !options.without.includes(name))
  if (taken !== undefined) throw new UsageError(`${taken} is a built-in subscriber; --without ${taken} leaves it out`)
  const bus = new ProcessBus({ shutdownTimeout: options.drain + options.shutdownTimeout })
  const all = { ...others, ...plugins, 'http-server': plugins['http-server'] ?? server }
  for (const [name, subscriber] of Object.entries(all))
    if (name in plugins || !options.without.includes(name)) bus.use(name, subscriber)
  return bus
}

function checkWithout(without: readonly string[], builtIn: readonly string[]): void {
  // It is there where tokens are configured, and leaving it out would give the secrets to everybody.
  const allowed = builtIn.filter((name) => name !== 'authentication')
  valuesOf('--without', { type: choice(allowed), repeatable: true }, without)
}
