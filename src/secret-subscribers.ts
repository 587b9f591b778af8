/** The subscribers that read secrets from DynamoDB and cache them. */
import type { Subscriber } from './bus/process/process-bus.ts'
import { UsageError } from './errors.ts'
import { privateCodeNames } from './secret-options.ts'
import type { SecretOptions } from './secrets.ts'
import { secretCache } from './sources/cache/secret-cache.ts'
import { dynamodb } from './sources/dynamodb/dynamodb.ts'
import { embeddedDynamodb } from './sources/dynamodb/embedded-dynamodb.ts'
import { proxyOf } from './sources/dynamodb/proxy.ts'

/**
 * In start order. They stop in reverse order.
 * @throws UsageError if a code name is both public and private
 */
export function secretSubscribers(options: SecretOptions, environment: NodeJS.ProcessEnv): Record<string, Subscriber> {
  const { codeNames } = options
  const privateNames = privateCodeNames(options)
  const both = privateNames.find((codeName) => codeNames.includes(codeName))
  if (both !== undefined)
    throw new UsageError(
      `--code-name must not name a private secret, received ${both}, which --private-code-name or --clients-secret names`,
    )
  return {
    ...(options.embedded && { 'embedded-dynamodb': embeddedDynamodb(options) }),
    dynamodb: dynamodb({ ...options, proxy: proxyOf(environment) }),
    'secret-cache': secretCache({ ...options, codeNames: [...codeNames, ...privateNames] }),
  }
}
