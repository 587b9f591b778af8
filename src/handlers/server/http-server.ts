/** The HTTP server: collects the routes and listens when the process starts, and drains when it stops. */
import { lookup } from 'node:dns/promises'
import { setTimeout } from 'node:timers/promises'
import { Server as SecureServer } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyInstance } from 'fastify'
import type { CallContext } from '../../bus/call.ts'
import { lifecycle } from '../../bus/process/lifecycle.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import {
  checkHealth,
  collectMetrics,
  declareProblems,
  declareRights,
  httpListening,
  httpRoutes,
} from '../../channels.ts'
import { declaredRights } from '../../rights.ts'
import { watchFiles } from '../../runtime/watch-files.ts'
import { checkRights } from '../guards/route-rights.ts'
import { certificateMetrics } from '../metrics/certificate-metrics.ts'
import { defaultLimits } from './limits.ts'
import { Problems } from './problem.ts'
import { type Certificate, type CertificateOptions, certificateFiles, parseCertificate } from './tls/certificate.ts'
import { type ClientCa, type ClientCaOptions, clientCaFiles, parseClientCa } from './tls/client-ca.ts'
import { closeVerifiedConnections } from './tls/client-certificate.ts'

export interface HttpServerOptions extends CertificateOptions, ClientCaOptions {
  readonly host: string
  /** 0 selects a free port. */
  readonly port: number
  /** Take the client address from the last entry of `X-Forwarded-For`; clients can forge the earlier ones. */
  readonly trustProxy: boolean
  /** Time to keep serving after the stop begins, in milliseconds, until load balancers stop sending requests. */
  readonly drain: number
  /** Pause between two checks for a change of the certificate, in milliseconds; 0, the default, disables them. */
  readonly watchFiles?: number | undefined
}

export const httpServer =
  (options: HttpServerOptions, limits = defaultLimits): Subscriber =>
  (bus) => {
    const addRoutes = bus.publisher(httpRoutes)
    const publishListening = bus.publisher(httpListening)
    // Only declares them, because `publishSettled` does not.
    bus.publisher(declareProblems)
    bus.publisher(declareRights)
    let running: FastifyInstance | undefined
    let certificate: Certificate | undefined
    let clientCa: ClientCa | undefined
    let stopping = false
    const warn = (message: string) => bus.log('warn', message)
    const isDraining = () => stopping || bus.exiting

    const useForNewConnections = () => {
      const server: unknown = running?.server
      if (server instanceof SecureServer) server.setSecureContext({ ...certificate, ...clientCa })
    }

    const loadCertificate = watchFiles(bus, {
      files: certificateFiles(options),
      every: options.watchFiles ?? 0,
      content: 'certificate',
      parse: (contents) => parseCertificate(contents, options, warn),
      use: (loaded) => {
        certificate = loaded
        useForNewConnections() // open connections keep their certificate
      },
    })

    const loadClientCa = watchFiles(bus, {
      files: clientCaFiles(options),
      every: options.watchFiles ?? 0,
      content: 'client CA',
      parse: (contents) => parseClientCa(contents, options, warn),
      use: (loaded) => {
        const isChanged = !isDeepStrictEqual(loaded, clientCa)
        clientCa = loaded
        useForNewConnections()
        if (running && isChanged) closeVerifiedConnections(running.server)
      },
    })

    /** @throws the failure of a subscriber; InvalidProblem */
    const declaredProblems = async () => {
      const outcomes = await bus.publishSettled(declareProblems)
      return new Problems(
        bus.service,
        outcomes.map((outcome) => {
          if (outcome.status === 'rejected') throw outcome.reason
          return { by: outcome.handler, problems: outcome.value }
        }),
      )
    }

    const start = async () => {
      stopping = false
      await loadCertificate()
      await loadClientCa()
      const { newApp } = await import('./app.ts') // loads Fastify, which importing the package does not
      const problems = await declaredProblems()
      const tls = certificate && { ...certificate, ...clientCa }
      const app = newApp(bus, { ...options, limits, certificate: tls, isDraining, problems })
      running = app
      checkRights(app, await declaredRights(bus))
      await addRoutes(app)
      // Resolved to one address, because Fastify starts a second server if `localhost` has two.
      const { address: host } = await lookup(options.host, { order: 'ipv4first' })
      if (bus.exiting) return // an open port would only delay the exit, because it has to drain
      await app.listen({ host, port: options.port, backlog: limits.backlog }).catch((cause) => {
        throw Object.assign(cause, { stack: undefined }) // the message is sufficient, as for every mistake of a user
      })
      const address = app.listeningOrigin.replace('http', certificate ? 'https' : 'http')
      const { openConnections } = limits
      bus.log('info', `Listening on ${address}`, { address, openConnections, ...pagesOf(app, address) })
      if (openConnections < defaultLimits.openConnections)
        bus.log(
          'warn',
          `At most ${openConnections} connections can be open, because of the limit on open files (ulimit -n)`,
        )
      await publishListening({ address })
    }
    // After the other subscribers, regardless of their order in the definition, so that the port opens when all have started.
    bus.subscribe(lifecycle.start, start, { priority: 90 })

    const reload = async () => {
      await loadCertificate()
      return certificate && { certificate: options.tlsCert }
    }
    bus.subscribe(lifecycle.graceful, reload, { priority: 90 })

    const reloadClientCa = async () => {
      await loadClientCa()
      return clientCa && { clientCa: options.tlsClientCa }
    }
    if (options.tlsClientCa !== undefined) bus.subscribe(lifecycle.graceful, reloadClientCa, { priority: 90 })

    const stop = async (_: unknown, { signal }: CallContext) => {
      stopping = true
      if (!running) return
      if (running.server.listening) await setTimeout(options.drain, undefined, { signal })
      await running.close()
    }
    bus.subscribe(lifecycle.stop, stop, { priority: 10 }) // before the subscribers that answer its requests

    if (options.tlsCert !== undefined)
      bus.subscribe(collectMetrics, () => certificateMetrics(bus.service, certificate, clientCa))

    bus.subscribe(checkHealth, () =>
      isDraining()
        ? { name: 'http-server', status: 'fail', output: 'draining' }
        : { name: 'http-server', status: 'pass' },
    )
  }

/** The URLs of the pages for browsers that this service has. */
function pagesOf(app: FastifyInstance, address: string): Record<string, string> {
  const pages = { docs: '/docs', inspector: '/-/bus' }
  const served = Object.entries(pages).filter(([, url]) => app.hasRoute({ method: 'GET', url }))
  return Object.fromEntries(served.map(([name, url]) => [name, address + url]))
}
