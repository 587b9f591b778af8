/** Provides `secret.get` from a cache, which it fills through `secret.fetch`. */
import { codeOf } from '../../bus/errors.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { fetchSecret, getSecret } from '../../channels.ts'
import { SecretNotFound } from '../../secret.ts'
import type { Clock } from '../clock.ts'
import { cached } from './cached.ts'
import type { CachePolicy } from './policy.ts'

export interface SecretCacheOptions extends Omit<CachePolicy, 'ttl' | 'maxEntries'> {
  /** Code names of the secrets to serve. Any other is not found, without a read. */
  readonly codeNames: readonly string[]
  /** TTL of a secret in milliseconds; `Infinity` is forever, 0 disables caching. */
  readonly cacheTtl: number
}

export function secretCache({ codeNames, cacheTtl, ...policy }: SecretCacheOptions, clock?: Clock): Subscriber {
  return cached(
    {
      ask: fetchSecret,
      answer: getSecret,
      key: ({ codeName }) => codeName,
      reply: (secret, freshness) => ({ ...secret, freshness }),
      policy: { ...policy, ttl: cacheTtl },
      queries: codeNames.map((codeName) => ({ codeName })),
      unknown: ({ codeName }) => new SecretNotFound(codeName),
      // By code rather than by class, because a plugin may not import the classes.
      absent: (error) => codeOf(error) === 'SECRET_NOT_FOUND',
      revoked: (error) => codeOf(error) === 'SOURCE_REFUSED',
      words: { one: 'secret', label: 'code_name' },
    },
    clock,
  )
}
