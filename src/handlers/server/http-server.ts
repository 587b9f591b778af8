/** The HTTP server: listens when the process starts, drains when it stops. What it serves is added by the routes. */
import { lookup } from 'node:dns/promises'
import { setTimeout } from 'node:timers/promises'
import { Server as SecureServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { lifecycle } from '../../bus/process/lifecycle.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { checkHealth, httpListening, httpRoutes } from '../../channels.ts'
import { newApp } from './app.ts'
import { type CertificateOptions, readCertificate } from './certificate.ts'
import { defaultLimits } from './limits.ts'
import { closeConnectionsInOrder } from './node/connections.ts'

export interface HttpServerOptions extends CertificateOptions {
  readonly host: string
  /** 0 has the system choose one. */
  readonly port: number
  /** Takes the client's address from `X-Forwarded-For`, as the nearest proxy wrote it: what is before may be made up. */
  readonly trustProxy: boolean
  /** How long to go on serving once told to stop, in milliseconds: a load balancer takes a while to notice. */
  readonly drain: number
}

export const httpServer =
  (options: HttpServerOptions, limits = defaultLimits): Subscriber =>
  (bus) => {
    const addRoutes = bus.publisher(httpRoutes)
    const publishListening = bus.publisher(httpListening)
    let running: FastifyInstance | undefined
    let stopping = false
    const isDraining = () => stopping || bus.exiting

    bus.subscribe(lifecycle.start, async () => {
      stopping = false
      const certificate = await readCertificate(options)
      const app = newApp(bus, { ...options, limits, certificate, isDraining })
      closeConnectionsInOrder(app.server, limits)
      running = app
      await addRoutes(app)
      // One address, where Fastify would have a second server for the other one of `localhost`.
      const { address: host } = await lookup(options.host, { order: 'ipv4first' })
      if (bus.exiting) return // nobody is to come any more, and a port would have to be drained
      await app.listen({ host, port: options.port, backlog: limits.backlog })
      const address = app.listeningOrigin.replace('http', certificate ? 'https' : 'http')
      bus.log('info', `Listening on ${address}`, { address })
      await publishListening({ address })
    })

    // Connections that are open go on with the certificate that they began with.
    bus.subscribe(lifecycle.graceful, async () => {
      const certificate = await readCertificate(options)
      const server: unknown = running?.server
      if (!certificate || !(server instanceof SecureServer)) return undefined
      server.setSecureContext(certificate)
      return { certificate: options.tlsCert }
    })

    bus.subscribe(lifecycle.stop, async (_, { signal }) => {
      stopping = true
      if (!running) return
      if (running.server.listening) await setTimeout(options.drain, undefined, { signal })
      await running.close()
    })

    bus.subscribe(checkHealth, () =>
      isDraining()
        ? { name: 'http-server', status: 'fail', output: 'draining' }
        : { name: 'http-server', status: 'pass' },
    )
  }
