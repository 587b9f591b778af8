/** The secrets that are served, each fetched when it must be: answers `secret.get`, asks `secret.fetch`. */
import { messageOf, RequestTimeout } from '../../bus/errors.ts'
import { lifecycle } from '../../bus/process/lifecycle.ts'
import type { ProcessBus, Subscriber } from '../../bus/process/process-bus.ts'
import { checkHealth, collectMetrics, fetchSecret, getSecret, type HealthCheck } from '../../channels.ts'
import { SecretNotFound, SourceFailure } from '../../secret.ts'
import { type Clock, systemClock } from '../clock.ts'
import { Backoff } from './backoff.ts'
import { cacheMetrics, counted, type FetchCounts } from './cache-metrics.ts'
import { CachedSecret, type CachePolicy, type Fetch } from './cached-secret.ts'

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
    let warming = new AbortController()
    const stopped = () => warming.signal.aborted

    const cache = new Map(
      options.codeNames.map((codeName) => {
        // A fetch is nobody's: it has its own time, and goes on when whoever caused it gives up.
        const fetch: Fetch = (id) => ask({ codeName }, { id, timeout: options.fetchTimeout }).catch(asSourceFailure)
        const fetches: FetchCounts = new Map()
        const watched = counted(logOutages(bus, codeName, fetch, stopped), fetches)
        return [codeName, { secret: new CachedSecret(watched, options, clock), fetches }]
      }),
    )
    const secrets = [...cache.values()].map(({ secret }) => secret)

    bus.provide(getSecret, ({ codeName }, { id }) => {
      const cached = cache.get(codeName)
      if (!cached) throw new SecretNotFound(codeName)
      return cached.secret.get(id)
    })

    // When all have started, the port is open, and clients need not wait for what the source has to load.
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

    bus.subscribe(collectMetrics, () => cacheMetrics(cache))
  }

/** Logs a line for each reason of an outage, not one a try, and another when it is over. What our own stop cuts off is no outage. */
function logOutages(bus: ProcessBus, codeName: string, fetch: Fetch, stopped: () => boolean): Fetch {
  /** What this outage has been logged for. It may show in several ways by turns. */
  const told = new Set<string>()
  return async (id) => {
    const fields = { codeName, reqId: id }
    try {
      const secret = await fetch(id)
      if (told.size > 0) bus.log('info', `Secret ${codeName} is fetched again`, fields)
      told.clear()
      return secret
    } catch (error) {
      const reason = messageOf(error)
      const level = told.has(reason) || stopped() ? 'debug' : 'warn'
      bus.log(level, `Secret ${codeName} was not fetched: ${reason}`, { ...fields, err: error })
      if (!stopped()) told.add(reason)
      throw error
    }
  }
}

/** A source that answers too late has failed like one that says so. */
function asSourceFailure(error: unknown): never {
  throw error instanceof RequestTimeout ? new SourceFailure('SOURCE_TIMEOUT', error.message, { cause: error }) : error
}

/** Fetches in the background until the source has answered once, so that the first client need not wait. */
async function warm(secret: CachedSecret, clock: Clock, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff(clock.random)
  while (!secret.loaded && !signal.aborted) {
    try {
      await secret.load()
    } catch {
      const pause = Math.max(secret.pausedFor, backoff.next())
      await clock.sleep(pause, signal).catch(() => {})
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
  if (secrets.some(({ loaded }) => !loaded)) {
    return { name, status: 'fail', output: `${count(({ loaded }) => !loaded)} not loaded yet` }
  }
  if (secrets.every(({ state }) => state === 'fresh')) return { name, status: 'pass' }
  return { name, status: 'warn', output: `${count(({ state }) => state !== 'fresh')} stale or missing` }
}
