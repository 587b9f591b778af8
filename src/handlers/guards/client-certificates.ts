/** Requires client certificates on all routes except open ones, or refuses only invalid ones. */
import type { FastifyInstance } from 'fastify'
import { mandatory, type Subscriber } from '../../bus/process/process-bus.ts'
import { declareProblems, httpRoutes } from '../../channels.ts'
import { hookPriority } from '../server/hook-priority.ts'
import { watched } from '../server/node/response.ts'
import { clientCertificate } from '../server/tls/client-certificate.ts'

export interface ClientCertificatesOptions {
  /** `optional`: requests without a certificate are admitted, but not those with an invalid one. */
  readonly tlsClientAuth: 'required' | 'optional'
}

class CertificateRequired extends Error {
  readonly code = 'CLIENT_CERTIFICATE_REQUIRED'
}

class CertificateInvalid extends Error {
  readonly code = 'CLIENT_CERTIFICATE_INVALID'
}

/** Declared only if it may occur, so that the API document says whether a certificate is required. */
const requiredProblem = {
  CLIENT_CERTIFICATE_REQUIRED: {
    status: 401,
    title: 'Client certificate required',
    detail: 'The request requires a client certificate.',
  },
}

const invalidProblem = {
  CLIENT_CERTIFICATE_INVALID: {
    status: 401,
    title: 'Client certificate invalid',
    detail: 'The client certificate is invalid: expired, revoked, or not issued for this service.',
  },
}

/** Time between two warnings in milliseconds, because clients cause them. */
const warningInterval = 60_000

export const clientCertificates = ({ tlsClientAuth }: ClientCertificatesOptions): Subscriber =>
  mandatory((bus) => {
    let warnedAt = -Infinity

    /** An unusable CRL refuses all clients of a CA, so that an operator has to act. */
    const report = (reason: string, reqId: string) => {
      bus.log('debug', 'Refused client certificate', { reqId, reason })
      if (!reason.includes('CRL') || performance.now() - warnedAt < warningInterval) return
      warnedAt = performance.now()
      bus.log('warn', 'Refusing client certificates because of --tls-client-crl', { reason })
    }

    const addHook = (app: FastifyInstance) => {
      app.addHook('onRequest', (request, reply, done) => {
        if (watched(reply).config.open) return done()
        const certificate = clientCertificate(request.raw.socket)
        if (certificate.status === 'valid') return done()
        if (certificate.status === 'none' && tlsClientAuth === 'optional') return done()
        // Required with 401, although no scheme is defined for certificates:
        // https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2
        reply.header('www-authenticate', `Bearer realm="${bus.service.name}"`)
        if (certificate.status === 'none') return done(new CertificateRequired('Missing client certificate'))
        report(certificate.reason, request.id)
        done(new CertificateInvalid(`Invalid client certificate: ${certificate.reason}`))
      })
    }
    bus.subscribe(declareProblems, () => ({ ...(tlsClientAuth === 'required' && requiredProblem), ...invalidProblem }))
    bus.subscribe(httpRoutes, addHook, { priority: hookPriority.clientCertificates })
  })
