/** What a cache does with a fixed set of values: it keeps them fresh, reloads them and reports their health. */
import { longestDelay } from '../../bus/call.ts'
import { messageOf } from '../../bus/errors.ts'
import { backoff } from '../../bus/process/backoff.ts'
import { lifecycle } from '../../bus/process/lifecycle.ts'
import { type Limiter, limiter } from '../../bus/process/limiter.ts'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import { checkHealth, type HealthCheck } from '../../channels.ts'
import type { Clock } from '../clock.ts'
import type { CacheWords } from './cached.ts'
import type { CachedValue } from './cached-value.ts'

/**
 * Maximum number of reads in the background that are in progress. Less than the maximum of all reads, so that requests
 * have a turn at the start and while the source does not respond.
 */
const maxBackgroundReads = 32

type Value = Pick<
  CachedValue<unknown, unknown>,
  'loaded' | 'pausedFor' | 'state' | 'refreshIn' | 'refresh' | 'reload' | 'onValue'
>

/** @returns whether the process has stopped, so that failures are not outages */
export function maintainClosedSet(
  bus: ProcessBus,
  byKey: ReadonlyMap<string, Value>,
  words: CacheWords,
  clock: Clock,
): { readonly isStopped: () => boolean } {
  const values = [...byKey.values()]
  const limit = limiter(maxBackgroundReads)
  let stopping = new AbortController()

  // Once the process has started, the port is open. Reading earlier would delay that by the time to load the source.
  bus.subscribe(lifecycle.state, (state) => {
    if (state !== 'STARTED') return
    stopping = new AbortController()
    const { signal } = stopping
    for (const value of values) void keepFresh(value, limit, clock, signal)
  })

  bus.subscribe(lifecycle.stop, () => stopping.abort())

  bus.subscribe(lifecycle.graceful, async () => {
    const reloads = await Promise.allSettled(values.map((value) => limit(() => value.reload())))
    const failures = reloads.filter((reload) => reload.status === 'rejected').map(({ reason }) => reason)
    if (failures.length > 1) throw new AggregateError(failures, failures.map(messageOf).join('; '))
    if (failures.length > 0) throw failures[0]
    return { reloaded: [...byKey.keys()] }
  })

  bus.subscribe(checkHealth, () => health(values, words))

  return { isStopped: () => stopping.signal.aborted }
}

/** Reads the value until the first success, so that the first client does not have to wait, and then when it is due. */
async function keepFresh(value: Value, limit: Limiter, clock: Clock, signal: AbortSignal): Promise<void> {
  const pauses = backoff({ random: clock.random })
  let wake = () => {}
  signal.addEventListener('abort', () => wake())
  // A reload or a request may read the value meanwhile, in particular after an outage.
  value.onValue = () => wake()
  const pause = async (ms: number) => {
    if (signal.aborted) return
    const woken = new AbortController()
    wake = () => woken.abort()
    await clock.sleep(Math.min(ms, longestDelay), woken.signal).catch(() => {})
  }
  const refresh = async () => {
    if (!signal.aborted) await value.refresh()
  }
  while (!signal.aborted && value.refreshIn < Infinity) {
    // Requests and reloads that fail also pause reading. Such a pause is not a failure of this loop.
    const wait = Math.max(value.refreshIn, value.pausedFor)
    if (wait > 0) await pause(wait)
    else
      await limit(refresh).then(
        () => pauses.reset(),
        () => pause(Math.max(value.pausedFor, pauses.next())),
      )
  }
}

/**
 * Fails until every value has been read once, so that a broken deployment gets no traffic. Afterwards it only warns,
 * because an outage of the source must not stop instances that can still serve from the cache.
 */
function health(
  values: readonly Value[],
  { one, many = `${one}s`, cache: name = `${one}-cache` }: CacheWords,
): HealthCheck {
  const count = (predicate: (value: Value) => boolean) =>
    `${values.filter(predicate).length} of ${values.length} ${many}`
  if (values.some(({ loaded }) => !loaded)) {
    return { name, status: 'fail', output: `${count(({ loaded }) => !loaded)} not loaded yet` }
  }
  if (values.every(({ state }) => state === 'fresh')) return { name, status: 'pass' }
  return { name, status: 'warn', output: `${count(({ state }) => state !== 'fresh')} stale or missing` }
}
