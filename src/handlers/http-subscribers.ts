/** The subscribers of the HTTP part of a service. */
import type { Subscriber } from '../bus/process/process-bus.ts'
import { identity } from '../sources/identity.ts'
import { tokens } from '../sources/tokens.ts'
import { authentication } from './guards/authentication.ts'
import { loadShedding } from './guards/load-shedding.ts'
import { noAuthentication } from './guards/no-authentication.ts'
import type { HttpOptions } from './http.ts'
import { inspector } from './inspector/inspector.ts'
import { busMetrics } from './metrics/bus-metrics.ts'
import { adminRoutes } from './routes/admin.ts'
import { docs } from './routes/docs.ts'
import { healthRoutes } from './routes/health.ts'
import { metricsRoutes } from './routes/metrics.ts'
// Imported only for its loading time: the server imports it when it starts.
import './server/app.ts'
import { httpServer } from './server/http-server.ts'
import { defaultLimits } from './server/limits.ts'
import { openFilesLimit, withinOpenFiles } from './server/open-files.ts'

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
    ...(hasTokens && { tokens: tokens(options) }),
    authentication: authentication({ required: hasTokens }),
    'admin-routes': adminRoutes(),
    ...(options.inspector && { inspector: inspector() }),
    'health-routes': healthRoutes(),
    'http-server': httpServer(options, limits),
  }
}
