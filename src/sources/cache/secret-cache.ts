/** Provides `secret.get` from a cache, which it fills through `secret.fetch`. */
import { codeOf, messageOf } from '../../bus/errors.ts'
import { backoff } from '../../bus/process/backoff.ts'
import { lifecycle } from '../../bus/process/lifecycle.ts'
import type { ProcessBus, Subscriber } from '../../bus/process/process-bus.ts'
import { checkHealth, collectMetrics, fetchSecret, getSecret, type HealthCheck } from '../../channels.ts'
import { SecretNotFound, SourceFailure } from '../../secret.ts'
import { type Clock, systemClock } from '../clock.ts'
import { cacheMetrics, counted, fetchCounter } from './cache-metrics.ts'
import { CachedSecret, type CachePolicy, type Fetch } from './cached-secret.ts'

export interface SecretCacheOptions extends CachePolicy {
  /** Code names of the secrets to serve. Any other is not found, without a fetch. */
  readonly codeNames: readonly string[]
  /** Total timeout of one fetch, including retries, in milliseconds. */
  readonly fetchTimeout: number
}

export const secretCache =
  (options: SecretCacheOptions, clock: Clock = systemClock): Subscriber =>
  (bus) => {
    const requestFetch = bus.requester(fetchSecret)
    let warming = new AbortController()
    const stopped = () => warming.signal.aborted

    const fetches = fetchCounter(bus.service)
    const cache = new Map(
      options.codeNames.map((codeName) => {
        // Not bound to the signal and deadline of the request that causes it, because other requests share the fetch.
        const fetch: Fetch = (id) =>
          requestFetch({ codeName }, { id, timeout: options.fetchTimeout }).catch(asSourceFailure)
        const observed = counted(logOutages(bus, codeName, fetch, stopped), codeName, fetches)
        return [codeName, new CachedSecret(observed, options, clock)]
      }),
    )
    const secrets = [...cache.values()]

    bus.provide(getSecret, ({ codeName }, { id }) => {
      const cached = cache.get(codeName)
      if (!cached) throw new SecretNotFound(codeName)
      return cached.get(id)
    })

    // Once the process has started, the port is open. Warming up earlier would delay that by the time to load the SDK.
    bus.subscribe(lifecycle.state, (state) => {
      if (state !== 'STARTED') return
      warming = new AbortController()
      for (const secret of secrets) void warm(secret, clock, warming.signal)
    })

    bus.subscribe(lifecycle.stop, () => warming.abort())

    bus.subscribe(lifecycle.graceful, async () => {
      const reloads = await Promise.allSettled(secrets.map((secret) => secret.reload()))
      const failures = reloads.filter((reload) => reload.status === 'rejected').map(({ reason }) => reason)
      if (failures.length > 1) throw new AggregateError(failures, failures.map(messageOf).join('; '))
      if (failures.length > 0) throw failures[0]
      return { reloaded: options.codeNames }
    })

    bus.subscribe(checkHealth, () => health(secrets))

    bus.subscribe(collectMetrics, () => cacheMetrics(bus.service, cache, fetches))
  }

/** Warns once per reason of an outage, not per fetch, and logs the recovery. Failures after a stop do not count. */
function logOutages(bus: ProcessBus, codeName: string, fetch: Fetch, stopped: () => boolean): Fetch {
  /** The reasons logged during this outage. A set, because an outage may alternate between them. */
  const logged = new Set<string>()
  return async (id) => {
    const fields = { codeName, reqId: id }
    try {
      const secret = await fetch(id)
      if (logged.size > 0) bus.log('info', `Recovered: fetched secret ${codeName}`, fields)
      logged.clear()
      return secret
    } catch (error) {
      const reason = messageOf(error)
      const level = logged.has(reason) || stopped() ? 'debug' : 'warn'
      bus.log(level, `Failed to fetch secret ${codeName}: ${reason}`, { ...fields, err: error })
      if (!stopped()) logged.add(reason)
      throw error
    }
  }
}

/** Reports the timeout of the bus like a timeout of the source. */
function asSourceFailure(error: unknown): never {
  if (codeOf(error) !== 'BUS_REQUEST_TIMEOUT') throw error
  throw new SourceFailure('SOURCE_TIMEOUT', messageOf(error), { cause: error })
}

/** Fetches in the background until the first success, so that the first client does not have to wait. */
async function warm(secret: CachedSecret, clock: Clock, signal: AbortSignal): Promise<void> {
  const pauses = backoff({ random: clock.random })
  while (!secret.loaded && !signal.aborted) {
    try {
      await secret.load()
    } catch {
      const pause = Math.max(secret.pausedFor, pauses.next())
      await clock.sleep(pause, signal).catch(() => {})
    }
  }
}

/**
 * Fails until every secret has been loaded once, so that a broken deployment gets no traffic. Afterwards it only warns,
 * because an outage of the source must not stop instances that can still serve from the cache.
 */
function health(secrets: CachedSecret[]): HealthCheck {
  const name = 'secret-cache'
  const count = (predicate: (secret: CachedSecret) => boolean) =>
    `${secrets.filter(predicate).length} of ${secrets.length} secrets`
  if (secrets.some(({ loaded }) => !loaded)) {
    return { name, status: 'fail', output: `${count(({ loaded }) => !loaded)} not loaded yet` }
  }
  if (secrets.every(({ state }) => state === 'fresh')) return { name, status: 'pass' }
  return { name, status: 'warn', output: `${count(({ state }) => state !== 'fresh')} stale or missing` }
}
