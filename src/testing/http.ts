/** An HTTP server on a bus of its own. */
import type { Subscriber } from '../bus/process/process-bus.ts'
import { httpListening, type ListeningServer } from '../channels.ts'
import { type HttpServerOptions, httpServer } from '../handlers/server/http-server.ts'
import { defaultLimits, type Limits } from '../handlers/server/limits.ts'
import { type RecordedBus, recordedBus } from './recorded-bus.ts'

/** It ends with `stop()`, or at the end of the scope: `await using service = await startHttp(...)`. */
export interface HttpService extends RecordedBus {
  /** The origin of the server, such as `http://127.0.0.1:38377`; after a restart, the new one. */
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

/**
 * Starts a bus that has an HTTP server.
 * @throws Error if it has none; the bus is stopped then
 */
export async function started(recorded: RecordedBus): Promise<HttpService> {
  let origin = ''
  const onListening = ({ address }: ListeningServer) => {
    origin = address
  }
  recorded.bus.subscribe(httpListening, onListening, { name: 'testing' })
  await recorded.bus.start()
  if (origin === '') {
    await recorded.stop()
    throw new Error('No HTTP server has started')
  }
  return {
    ...recorded,
    get origin() {
      return origin
    },
    get port() {
      return Number(new URL(origin).port)
    },
  }
}
