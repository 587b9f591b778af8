/** The subscribers of the HTTP part of a service. */
import type { Subscriber } from './bus/process/process-bus.ts'
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
import type { HttpOptions } from './http.ts'
import { identity } from './sources/identity.ts'
import { tokens } from './sources/tokens.ts'
// Imported only for its loading time: the server imports it when it starts.
import './handlers/server/app.ts'
import { httpServer } from './handlers/server/http-server.ts'
import { defaultLimits } from './handlers/server/limits.ts'
import { openFilesLimit, withinOpenFiles } from './handlers/server/open-files.ts'

export function httpSubscribers(options: HttpOptions): Record<string, Subscriber> {
  const hasTokens = Boolean(options.authTokenFile || options.authToken)
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
    ...(options.tlsClientCa && { 'client-certificates': clientCertificates(options) }),
    ...(hasTokens && { tokens: tokens(options) }),
    authentication: authentication({ required: hasTokens }),
    'admin-routes': adminRoutes(),
    ...(options.inspector && { inspector: inspector() }),
    'health-routes': healthRoutes(),
    'http-server': httpServer(options, limits),
  }
}
