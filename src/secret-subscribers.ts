/** The subscribers that read secrets from DynamoDB and cache them. */
import type { Subscriber } from './bus/process/process-bus.ts'
import type { SecretOptions } from './secrets.ts'
import { secretCache } from './sources/cache/secret-cache.ts'
import { dynamodb } from './sources/dynamodb/dynamodb.ts'
import { embeddedDynamodb } from './sources/dynamodb/embedded-dynamodb.ts'
import { proxyOf } from './sources/dynamodb/proxy.ts'

/** In start order. They stop in reverse order. */
export function secretSubscribers(options: SecretOptions, environment: NodeJS.ProcessEnv): Record<string, Subscriber> {
  return {
    ...(options.embedded && { 'embedded-dynamodb': embeddedDynamodb(options) }),
    dynamodb: dynamodb({ ...options, proxy: proxyOf(environment) }),
    'secret-cache': secretCache(options),
  }
}
