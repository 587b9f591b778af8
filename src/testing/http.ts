/** An HTTP server on a bus of its own. */
import type { Subscriber } from '../bus/process-bus.ts'
import { defaultLimits, type Limits } from '../handlers/limits.ts'
import { type HttpServerOptions, httpServer } from '../handlers/server.ts'
import { type RecordedBus, recordedBus } from './recorded-bus.ts'

/** It ends with `stop()`, or at the end of the scope: `await using service = await startHttp(...)`. */
export interface HttpService extends RecordedBus {
  /** Where it listens: `http://127.0.0.1:38377`. */
  readonly origin: string
  readonly port: number
}

/** Those of the server, whose defaults are a free port of this host, no proxy, and no draining. */
export interface HttpOptions extends Partial<HttpServerOptions> {
  /** How long a stop may take, in milliseconds; 10 s when not given. */
  readonly shutdownTimeout?: number
  /** Those that are not as in the service. */
  readonly limits?: Partial<Limits>
}

/**
 * Starts the subscribers and, after them, an HTTP server. There are no routes but theirs.
 * @param subscribers are used in this order, under these names
 * @throws what the start fails with; nothing is left running then
 */
export async function startHttp(
  subscribers: Readonly<Record<string, Subscriber>>,
  { shutdownTimeout = 10_000, limits, ...options }: HttpOptions = {},
): Promise<HttpService> {
  const server = httpServer(
    { host: '127.0.0.1', port: 0, trustProxy: false, drain: 0, ...options },
    { ...defaultLimits, ...limits },
  )
  return started(recordedBus({ ...subscribers, 'http-server': server }, { shutdownTimeout }))
}

/** Starts a bus that has an HTTP server. Where it has none, it is stopped again. */
export async function started(recorded: RecordedBus): Promise<HttpService> {
  await recorded.bus.start()
  try {
    return { ...recorded, ...addressOf(recorded) }
  } catch (error) {
    await recorded.stop()
    throw error
  }
}

/** Where the HTTP server of this bus began to listen last. */
export function addressOf({ records }: Pick<RecordedBus, 'records'>): { origin: string; port: number } {
  const told = records.findLast(({ message }) => message.startsWith('Listening on '))
  if (!told || !('address' in told.fields)) throw new Error('no HTTP server has started')
  const origin = String(told.fields.address)
  return { origin, port: Number(new URL(origin).port) }
}
