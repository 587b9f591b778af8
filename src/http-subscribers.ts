/** The subscribers of the HTTP part of a service. */
import type { Subscriber } from './bus/process/process-bus.ts'
import { accessLog } from './handlers/access-log.ts'
import { authentication } from './handlers/guards/authentication.ts'
import { clientCertificates } from './handlers/guards/client-certificates.ts'
import { loadShedding } from './handlers/guards/load-shedding.ts'
import { noAuthentication } from './handlers/guards/no-authentication.ts'
import { inspector } from './handlers/inspector/inspector.ts'
import { busMetrics } from './handlers/metrics/bus-metrics.ts'
import { adminRoutes } from './handlers/routes/admin.ts'
import { docs } from './handlers/routes/docs.ts'
import { healthRoutes } from './handlers/routes/health.ts'
import { metricsRoutes } from './handlers/routes/metrics.ts'
import { httpServer } from './handlers/server/http-server.ts'
import { defaultLimits } from './handlers/server/limits.ts'
import { openFilesLimit, withinOpenFiles } from './handlers/server/open-files.ts'
import { traceContext } from './handlers/trace-context.ts'
import type { ClientSecretOptions, HttpOptions } from './http.ts'
import { clients } from './sources/clients/clients.ts'
import { identity } from './sources/identity.ts'

export function httpSubscribers(options: HttpOptions & ClientSecretOptions): Record<string, Subscriber> {
  const { authTokenFile, authToken, clientsFile, clients: document, clientsSecret } = options
  const hasClients = [authTokenFile, authToken, clientsFile, document, clientsSecret].some(
    (given) => given !== undefined,
  )
  const limits = {
    ...withinOpenFiles(defaultLimits, openFilesLimit()),
    keepAliveTimeout: options.keepAliveTimeout,
  }
  return {
    'no-authentication': noAuthentication(options),
    'bus-metrics': busMetrics(),
    'trace-context': traceContext(),
    identity: identity(options),
    ...(options.accessLog && { 'access-log': accessLog() }),
    docs: docs({ tokensOnly: authTokenFile !== undefined || authToken !== undefined }),
    'metrics-routes': metricsRoutes(),
    'load-shedding': loadShedding(limits),
    ...(options.tlsClientCa && { 'client-certificates': clientCertificates(options) }),
    ...(hasClients && { clients: clients(options) }),
    authentication: authentication({ required: hasClients }),
    'admin-routes': adminRoutes(),
    ...(options.inspector && { inspector: inspector() }),
    'health-routes': healthRoutes(),
    'http-server': httpServer(options, limits),
  }
}
