/** Starts subscribers with an HTTP server for a test. */
import type { Subscriber } from '../bus/process/process-bus.ts'
import type { Manifest } from '../bus/process/service-info.ts'
import { httpListening, type ListeningServer } from '../channels.ts'
import { type HttpServerOptions, httpServer } from '../handlers/server/http-server.ts'
import { defaultLimits, type Limits } from '../handlers/server/limits.ts'
import { type RecordedBus, recordedBus } from './recorded-bus.ts'

/** Stops with `stop()` or at the end of the scope: `await using service = await startHttp(...)`. */
export interface HttpService extends RecordedBus {
  /** The current origin of the server, such as `http://127.0.0.1:38377`. A restart may change it. */
  readonly origin: string
  readonly port: number
}

/** Options of the server. By default it listens on a free port of 127.0.0.1, trusts no proxy and does not drain. */
export interface HttpOptions extends Partial<HttpServerOptions> {
  /** Time limit of `stop` in milliseconds; 10 s by default. */
  readonly shutdownTimeout?: number
  /** Time limit of each listener of a reload in milliseconds; 30 s by default. */
  readonly reloadTimeout?: number
  /** The name and version of the service; those of secret-bus by default. */
  readonly service?: Manifest
  /** Overrides of the default limits. */
  readonly limits?: Partial<Limits>
}

/**
 * Starts the subscribers and, last, an HTTP server with their routes only.
 * @param subscribers subscribers by name, in start order
 * @throws the error of the failed start, after everything has stopped
 */
export async function startHttp(
  subscribers: Readonly<Record<string, Subscriber>>,
  { shutdownTimeout = 10_000, reloadTimeout = 30_000, limits, service, ...options }: HttpOptions = {},
): Promise<HttpService> {
  const server = httpServer(
    { host: '127.0.0.1', port: 0, trustProxy: false, drain: 0, ...options },
    { ...defaultLimits, ...limits },
  )
  return started(
    recordedBus(
      { ...subscribers, 'http-server': server },
      { shutdownTimeout, reloadTimeout, ...(service && { service }) },
    ),
  )
}

/**
 * Starts a bus that has an HTTP server.
 * @throws Error if the bus has no HTTP server, after it has stopped; the error of a failed start
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
    throw new Error('No HTTP server was started')
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
