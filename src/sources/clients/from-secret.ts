/** Loads clients from a secret, again and again. */
import { backgroundLoop } from '../../bus/process/background-loop.ts'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import { getSecret } from '../../channels.ts'
import type { Clock } from '../clock.ts'
import type { LoadedClients } from './clients.ts'
import { InvalidClients } from './invalid-clients.ts'

/** The longest time until a change of the secret is in force, in milliseconds. */
const longestInterval = 60_000

/** The shortest such time, and the longest pause between two requests to the cache, in milliseconds. */
const second = 1_000

/**
 * @param cacheTtl time in milliseconds until a change of the secret is in force, at most one minute
 * @returns a function that loads them at once. It throws InvalidClients, or why the secret could not be read
 */
export function loadFromSecret(
  bus: ProcessBus,
  codeName: string,
  cacheTtl: number,
  clock: Clock,
  { content, read, use, staleness }: LoadedClients,
): () => Promise<void> {
  const requestSecret = bus.requester(getSecret)
  const interval = Math.max(second, Math.min(cacheTtl, longestInterval))
  // The requests cost little, because the cache reads the table only if its value is too old: without a TTL, each time.
  const pollInterval = cacheTtl === 0 ? second : Math.min(second, interval / 20)
  let textInUse: string | undefined
  let refused: { readonly text: string; readonly error: unknown } | undefined
  let readAt: number | undefined

  /** Reads a text only once, also if it is invalid. */
  const useText = (text: string): void => {
    if (text === refused?.text) throw refused.error
    try {
      use(read(text))
    } catch (error) {
      refused = { text, error }
      throw error
    }
  }

  const load = async (call: { readonly id?: string; readonly signal?: AbortSignal } = {}): Promise<void> => {
    try {
      const { value, freshness } = await requestSecret({ codeName, maxAge: interval - pollInterval }, call)
      const text = value.reveal()
      if (text !== textInUse) {
        useText(text)
        bus.log('info', `Loaded the ${content} from secret ${codeName}`)
      }
      textInUse = text
      const { age } = freshness
      readAt = clock.monotonic() - age
      staleness.end()
      if (age > interval + pollInterval) staleness.begin(age - interval) // the source does not answer the cache
    } catch (error) {
      if (call.signal?.aborted) throw error
      staleness.begin(readAt === undefined ? 0 : Math.max(0, clock.monotonic() - readAt - interval))
      throw error instanceof InvalidClients ? new InvalidClients(error.in(`Secret ${codeName}`)) : error
    }
  }
  // Without longer pauses after failures: the cache limits the reads, and a corrected document must not wait.
  backgroundLoop(bus, load, {
    every: pollInterval,
    maxPause: pollInterval,
    name: `the refresh of the ${content}`,
    clock,
  })
  return () => load()
}
