/** The HTTP server with limits, its executed requests and its open connections. */
import type { Server } from 'node:http'
import { promisify } from 'node:util'
import { expect, onTestFinished } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { getSecret, httpRoutes } from '../../../src/channels.ts'
import { loadShedding } from '../../../src/handlers/guards/load-shedding.ts'
import { healthRoutes } from '../../../src/handlers/routes/health.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { defaultLimits, type Limits } from '../../../src/handlers/server/limits.ts'
import type { CertificateOptions } from '../../../src/handlers/server/tls/certificate.ts'
import { Sensitive } from '../../../src/secret.ts'
import { identity } from '../../../src/sources/identity.ts'
import { type HttpService, RawConnection, startHttp } from '../http/http.ts'

export interface LimitedService extends HttpService {
  readonly server: Server
  /** The code names of the executed requests. */
  readonly executed: string[]
  /** Completes all pending requests for the secret `slow`; later ones complete immediately. */
  release(): void
  /** The number of open connections of the server. */
  connections(): Promise<number>
}

/**
 * @param limits overrides of the default limits; the event loop delay is unlimited unless given, so that a busy
 *   machine does not affect the test
 * @param options.secret the value of every secret
 */
export async function startLimitedService(
  { eventLoopDelay = Infinity, ...others }: Partial<Limits> = {},
  { secret = 'x', ...options }: { readonly secret?: string } & CertificateOptions = {},
): Promise<LimitedService> {
  const limits = { ...defaultLimits, ...others, eventLoopDelay }
  const executed: string[] = []
  const { promise: go, resolve: release } = Promise.withResolvers<void>()
  const source: Subscriber = (bus) =>
    bus.provide(getSecret, async ({ codeName }) => {
      executed.push(codeName)
      if (codeName === 'slow') await go
      const freshness = { result: 'hit', age: 0, ttl: Infinity } as const
      return { codeName, value: new Sensitive(secret), freshness }
    })
  const { promise: server, resolve: serve } = Promise.withResolvers<Server>()
  const service = await startHttp(
    {
      source,
      identity: identity({ container: 'x', project: 'x' }),
      server: (bus) => bus.subscribe(httpRoutes, (app) => serve(app.server)),
      'body-route': (bus) =>
        bus.subscribe(httpRoutes, (app) => {
          // The only route that reads a body.
          app.route({ method: ['POST', 'DELETE'], url: '/body', handler: async () => 'read' })
        }),
      'load-shedding': loadShedding(limits),
      'health-routes': healthRoutes(),
      'secret-routes': secretRoutes({ codeNames: ['thedoctor'] }),
    },
    { limits, ...options },
  )
  onTestFinished(() => release())
  const running = await server
  const connections = () => promisify(running.getConnections).call(running)
  return { ...service, server: running, executed, release, connections }
}

/** The lines of a valid request. */
export const get = (path: string, ...headers: string[]) => [`GET ${path} HTTP/1.1`, 'host: x', ...headers]

/** Requests one secret on a new connection, closes it, and returns the status of the response. */
export async function statusOnNewConnection({ port }: HttpService): Promise<number> {
  const client = await RawConnection.open(port)
  client.send(...get('/secret', 'connection: close'))
  const { status } = await client.reply()
  client.socket.destroy()
  return status
}

/** Fails unless the server soon closes all connections and then serves a new one. */
export async function expectRecovery(service: LimitedService): Promise<void> {
  await expect.poll(service.connections, { interval: 10, timeout: 10_000 }).toBe(0)
  expect(await statusOnNewConnection(service)).toBe(200)
}
