/** The service: one bus, and everything that it does as a subscriber of it. */
import type { Logger } from 'pino'
import { log } from './bus/log.ts'
import { ProcessBus, type Subscriber } from './bus/process-bus.ts'
import { signals } from './bus/signals.ts'
import { adminRoutes } from './handlers/admin.ts'
import { auditTrail } from './handlers/audit.ts'
import { authentication } from './handlers/authentication.ts'
import { busMetrics } from './handlers/bus-metrics.ts'
import { docs } from './handlers/docs.ts'
import { healthRoutes } from './handlers/health.ts'
import { inspector } from './handlers/inspector.ts'
import { loadShedding } from './handlers/load-shedding.ts'
import { metricsRoutes } from './handlers/metrics.ts'
import { noAuthentication } from './handlers/no-authentication.ts'
import { secretRoutes } from './handlers/secret.ts'
import { httpServer } from './handlers/server.ts'
import { UsageError } from './option-errors.ts'
import { choice } from './option-types.ts'
import { valuesOf } from './option-values.ts'
import type { Options } from './options.ts'
import type { Package } from './package.ts'
import { dynamodb } from './sources/dynamodb.ts'
import { embeddedDynamodb } from './sources/embedded-dynamodb.ts'
import { identity } from './sources/identity.ts'
import { secretCache } from './sources/secret-cache.ts'
import { tokens } from './sources/tokens.ts'

/** What the service does not make itself. */
export interface Surroundings {
  readonly logger: Logger
  readonly process: NodeJS.Process
  readonly package: Package
  /** Subscribers of others, by the names that the bus is to know them by. */
  readonly plugins?: Readonly<Record<string, Subscriber>>
}

/** In start order. The process starts down the list and stops up it, so whoever serves clients comes last. */
function subscribers(options: Options, { logger, process, package: own }: Surroundings) {
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
export function service(options: Options, surroundings: Surroundings): ProcessBus {
  const { plugins = {} } = surroundings
  const { 'http-server': server, ...others } = subscribers(options, surroundings)
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
