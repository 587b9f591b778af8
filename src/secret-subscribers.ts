/** The subscribers of secret-bus, apart from those of its HTTP part. */
import type { Subscriber } from './bus/process/process-bus.ts'
import { auditTrail } from './handlers/audit-trail.ts'
import type { http } from './handlers/http.ts'
import { secretRoutes } from './handlers/routes/secret.ts'
import type { ServiceOptions } from './runtime/define-service.ts'
import type { secretOptions } from './secret-options.ts'
import { secretCache } from './sources/cache/secret-cache.ts'
import { dynamodb } from './sources/dynamodb/dynamodb.ts'
import { embeddedDynamodb } from './sources/dynamodb/embedded-dynamodb.ts'
import { proxyOf } from './sources/dynamodb/proxy.ts'

export type SecretBusOptions = ServiceOptions<typeof http.options & typeof secretOptions>

/** In start order. They stop in reverse order, after the HTTP server. */
export function secretSubscribers(
  options: SecretBusOptions,
  environment: NodeJS.ProcessEnv,
): Record<string, Subscriber> {
  return {
    ...(options.embedded && { 'embedded-dynamodb': embeddedDynamodb(options) }),
    dynamodb: dynamodb({ ...options, proxy: proxyOf(environment) }),
    'secret-cache': secretCache(options),
    'audit-trail': auditTrail(),
    'secret-routes': secretRoutes(options),
  }
}
