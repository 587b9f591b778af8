/** The subscribers of the HTTP part of a service. */
import type { Subscriber } from './bus/process/process-bus.ts'
import { UsageError } from './errors.ts'
import { authentication } from './handlers/guards/authentication.ts'
import { loadShedding } from './handlers/guards/load-shedding.ts'
import { noAuthentication } from './handlers/guards/no-authentication.ts'
import { inspector } from './handlers/inspector/inspector.ts'
import { busMetrics } from './handlers/metrics/bus-metrics.ts'
import { adminRoutes } from './handlers/routes/admin.ts'
import { docs } from './handlers/routes/docs.ts'
import { healthRoutes } from './handlers/routes/health.ts'
import { metricsRoutes } from './handlers/routes/metrics.ts'
import type { ClientSecretOptions, HttpOptions } from './http.ts'
import { clients } from './sources/clients/clients.ts'
import { identity } from './sources/identity.ts'
// Imported only for its loading time: the server imports it when it starts.
import './handlers/server/app.ts'
import { httpServer } from './handlers/server/http-server.ts'
import { defaultLimits } from './handlers/server/limits.ts'
import { openFilesLimit, withinOpenFiles } from './handlers/server/open-files.ts'

/** @throws UsageError if the clients are given in more than one way */
export function httpSubscribers(options: HttpOptions & ClientSecretOptions): Record<string, Subscriber> {
  const hasClients = clientSource(options) !== undefined
  const limits = {
    ...withinOpenFiles(defaultLimits, openFilesLimit()),
    keepAliveTimeout: options.keepAliveTimeout,
  }
  return {
    'no-authentication': noAuthentication(options),
    'bus-metrics': busMetrics(),
    identity: identity(options),
    docs: docs(),
    'metrics-routes': metricsRoutes(),
    'load-shedding': loadShedding(limits),
    ...(hasClients && { clients: clients(options) }),
    authentication: authentication({ required: hasClients }),
    'admin-routes': adminRoutes(),
    ...(options.inspector && { inspector: inspector() }),
    'health-routes': healthRoutes(),
    'http-server': httpServer(options, limits),
  }
}

/**
 * The option that gives the clients, if there is one. Those of the HTTP part exclude each other by their declaration;
 * that of the secrets belongs to another one.
 */
function clientSource({
  authTokenFile,
  authToken,
  clientsFile,
  clients,
  clientsSecret,
}: HttpOptions & ClientSecretOptions): string | undefined {
  const given = [
    ...(clientsSecret === undefined ? [] : ['--clients-secret']),
    ...(authTokenFile === undefined ? [] : ['--auth-token-file']),
    ...(authToken === undefined ? [] : ['AUTH_TOKEN']),
    ...(clientsFile === undefined ? [] : ['--clients']),
    ...(clients === undefined ? [] : ['CLIENTS']),
  ]
  const [first, second] = given
  if (second !== undefined) throw new UsageError(`${first} and ${second} are mutually exclusive`)
  return first
}
