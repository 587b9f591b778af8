/** The HTTP side of the service, to be attacked: who was let in, who is still there, and whether others are served. */
import type { Server } from 'node:http'
import { promisify } from 'node:util'
import { expect, onTestFinished } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { getSecret, httpRoutes } from '../../../src/channels.ts'
import { loadShedding } from '../../../src/handlers/guards/load-shedding.ts'
import { healthRoutes } from '../../../src/handlers/routes/health.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import type { CertificateOptions } from '../../../src/handlers/server/certificate.ts'
import { defaultLimits, type Limits } from '../../../src/handlers/server/limits.ts'
import { Sensitive } from '../../../src/secret.ts'
import { identity } from '../../../src/sources/identity.ts'
import { type HttpService, RawConnection, startHttp } from '../http/http.ts'

export interface AttackedService extends HttpService {
  readonly server: Server
  /** The code names that were asked for: whatever came this far was executed. */
  readonly asked: string[]
  /** Answers those who asked for the secret `slow`, and from now on at once. */
  letGo(): void
  /** How many connections the server has. */
  connections(): Promise<number>
}

/**
 * @param limits those that are not the defaults; unless it is one of them, it does not matter how busy this machine is
 * @param options.secret the value of every secret
 */
export async function startAttacked(
  { eventLoopDelay = Infinity, ...others }: Partial<Limits> = {},
  { secret = 'x', ...options }: { readonly secret?: string } & CertificateOptions = {},
): Promise<AttackedService> {
  const limits = { ...defaultLimits, ...others, eventLoopDelay }
  const asked: string[] = []
  const { promise: go, resolve: letGo } = Promise.withResolvers<void>()
  const source: Subscriber = (bus) =>
    bus.provide(getSecret, async ({ codeName }) => {
      asked.push(codeName)
      if (codeName === 'slow') await go
      const freshness = { result: 'hit', expiresAt: Infinity } as const
      return { codeName, value: new Sensitive(secret), fetchedAt: Date.now(), freshness }
    })
  const { promise: server, resolve: serve } = Promise.withResolvers<Server>()
  const service = await startHttp(
    {
      source,
      identity: identity({ own: { container: 'x', project: 'x' } }),
      server: (bus) => bus.subscribe(httpRoutes, (app) => serve(app.server)),
      'load-shedding': loadShedding(limits),
      'health-routes': healthRoutes(),
      'secret-routes': secretRoutes({ codeNames: ['thedoctor'] }),
    },
    { limits, ...options },
  )
  onTestFinished(() => letGo())
  const running = await server
  const connections = () => promisify(running.getConnections).call(running)
  return { ...service, server: running, asked, letGo, connections }
}

/** The lines of a request that is all right. */
export const get = (path: string, ...headers: string[]) => [`GET ${path} HTTP/1.1`, 'host: x', ...headers]

/** What becomes of a client that comes, asks for one secret, and leaves: the status of its reply. */
export async function statusOfVisit({ port }: HttpService): Promise<number> {
  const visitor = await RawConnection.open(port)
  visitor.send(...get('/secret', 'connection: close'))
  const { status } = await visitor.reply()
  visitor.socket.destroy()
  return status
}

/** Fails unless the server is rid of everybody soon, and serves who comes then. */
export async function expectRecovery(service: AttackedService): Promise<void> {
  await expect.poll(service.connections, { interval: 10, timeout: 10_000 }).toBe(0)
  expect(await statusOfVisit(service)).toBe(200)
}
