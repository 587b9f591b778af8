/** The security schemes, and the combinations of them that requests to a route need. */
import type { FastifyContextConfig } from 'fastify'
import type { Problems } from '../server/problem.ts'

/** What the service requires of requests. */
export interface SecurityOptions {
  /** Contain those of client certificates if the server verifies them. */
  readonly problems: Problems
  /** Whether routes require an identified client, except open ones. */
  readonly guarded: boolean
  /** Whether only a token identifies a client, not a certificate. */
  readonly tokensOnly: boolean
}

const tokenSchemes = {
  bearer: { type: 'http', scheme: 'bearer', description: 'A bearer token of a client (RFC 6750).' },
  basic: {
    type: 'http',
    scheme: 'basic',
    description: 'The token as the password of any user, for browsers (RFC 7617).',
  },
} as const

const certificateScheme = {
  mutualTLS: { type: 'mutualTLS', description: 'A client certificate that a CA of the service has issued.' },
} as const

function requiresCertificate({ problems }: SecurityOptions): boolean {
  return problems.typeOf('CLIENT_CERTIFICATE_REQUIRED') !== undefined
}

/** Whether a certificate is sufficient, because it identifies a client. */
function identifiesCertificates({ problems, guarded, tokensOnly }: SecurityOptions): boolean {
  return guarded && !tokensOnly && problems.typeOf('CLIENT_CERTIFICATE_INVALID') !== undefined
}

/** The schemes that requests to some route may need. */
export function securitySchemesOf(options: SecurityOptions): object {
  const hasCertificates = requiresCertificate(options) || identifiesCertificates(options)
  return { ...(options.guarded && tokenSchemes), ...(hasCertificates && certificateScheme) }
}

/**
 * Each of the objects is sufficient, with all of its schemes. The roles of a scheme are the rights of its client:
 * https://spec.openapis.org/oas/v3.1.1.html#security-requirement-object.
 */
export function securityOf(
  options: SecurityOptions,
  { needs, browser = false }: FastifyContextConfig = {},
): readonly object[] {
  const certificate = requiresCertificate(options) ? { mutualTLS: [] } : {}
  if (!options.guarded) return requiresCertificate(options) ? [certificate] : []
  const roles = needs === undefined ? [] : [needs]
  return [
    { ...certificate, bearer: roles },
    ...(browser ? [{ ...certificate, basic: roles }] : []),
    ...(identifiesCertificates(options) ? [{ mutualTLS: roles }] : []),
  ]
}
