/** The secrets that are served, each fetched when it must be: answers `secret.get`, asks `secret.fetch`. */
import { messageOf, RequestTimeout } from '../bus/errors.ts'
import { lifecycle } from '../bus/lifecycle.ts'
import type { Subscriber } from '../bus/process-bus.ts'
import { checkHealth, fetchSecret, getSecret, type HealthCheck } from '../channels.ts'
import { SecretNotFound, SourceFailure } from '../secret.ts'
import { Backoff } from './backoff.ts'
import { CachedSecret, type CachePolicy } from './cached-secret.ts'
import { type Clock, systemClock } from './clock.ts'

export interface SecretCacheOptions extends CachePolicy {
  /** The secrets that are served. Any other is not found, without asking the source. */
  readonly codeNames: readonly string[]
  /** How long one reading may take, all tries together, in milliseconds. */
  readonly fetchTimeout: number
}

export const secretCache =
  (options: SecretCacheOptions, clock: Clock = systemClock): Subscriber =>
  (bus) => {
    const ask = bus.requester(fetchSecret)
    const secrets = new Map(
      options.codeNames.map((codeName) => [codeName, new CachedSecret(fetcher(codeName), options, clock)]),
    )
    let warming = new AbortController()

    // A fetch is nobody's: it has its own time, and goes on when whoever caused it gives up.
    function fetcher(codeName: string) {
      let outage: string | undefined
      return async (id: string | undefined) => {
        const fields = { codeName, reqId: id }
        try {
          const secret = await ask({ codeName }, { id, timeout: options.fetchTimeout })
          if (outage) bus.log('info', `Secret ${codeName} is fetched again`, fields)
          outage = undefined
          return secret
        } catch (error) {
          const reason = messageOf(error)
          // One line an outage, not one a try; and none for what our own stop cuts off.
          const level = reason === outage || warming.signal.aborted ? 'debug' : 'warn'
          bus.log(level, `Secret ${codeName} was not fetched: ${reason}`, { ...fields, err: error })
          outage = reason
          throw error instanceof RequestTimeout ? new SourceFailure('SOURCE_TIMEOUT', reason, { cause: error }) : error
        }
      }
    }

    bus.provide(getSecret, ({ codeName }, { id }) => {
      const secret = secrets.get(codeName)
      if (!secret) throw new SecretNotFound(codeName)
      return secret.get(id)
    })

    bus.subscribe(lifecycle.start, () => {
      warming = new AbortController()
      for (const secret of secrets.values()) void warm(secret, clock, warming.signal)
    })

    bus.subscribe(lifecycle.stop, () => warming.abort())

    bus.subscribe(lifecycle.graceful, async () => {
      const reloads = await Promise.allSettled([...secrets.values()].map((secret) => secret.reload()))
      const failures = reloads.filter((reload) => reload.status === 'rejected').map(({ reason }) => reason)
      if (failures.length > 1) throw new AggregateError(failures, failures.map(messageOf).join('; '))
      if (failures.length > 0) throw failures[0]
      return { reloaded: options.codeNames }
    })

    bus.subscribe(checkHealth, () => health([...secrets.values()]))
  }

/** Fetches in the background until the source has answered once, so that the first client need not wait. */
async function warm(secret: CachedSecret, clock: Clock, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff(clock.random)
  while (!secret.answered && !signal.aborted) {
    try {
      await secret.get(undefined)
    } catch {
      await clock.sleep(backoff.next(), signal).catch(() => {})
    }
  }
}

/**
 * It fails until every secret has been there once: that is how a bad deployment shows. Later it only warns, for an outage
 * of the source must not take a task out that may still have what clients want.
 */
function health(secrets: CachedSecret[]): HealthCheck {
  const name = 'secret-cache'
  const count = (is: (secret: CachedSecret) => boolean) => `${secrets.filter(is).length} of ${secrets.length} secrets`
  if (secrets.some(({ answered }) => !answered)) {
    return { name, status: 'fail', output: `${count(({ answered }) => !answered)} not loaded yet` }
  }
  if (secrets.every(({ state }) => state === 'fresh')) return { name, status: 'pass' }
  return { name, status: 'warn', output: `${count(({ state }) => state !== 'fresh')} stale or missing` }
}
