/** Maps the failures of an upstream API to `SourceFailure`. No message quotes a header, a query or a body. */
import { codeOf, messageOf, nameOf } from '../../bus/thrown.ts'
import { SourceFailure, type SourceFailureCode } from '../../secret.ts'
import { retryAfterOf } from './retry-after.ts'

/** The `code` of errors of undici and the system that are timeouts. */
const timeouts = /^(UND_ERR_\w*TIMEOUT|ETIMEDOUT)$/

/**
 * The failure of a request without a usable response.
 * @param request the method and URL, for the message
 */
export function networkFailure(request: string, cause: unknown): SourceFailure {
  const code = timeouts.test(String(codeOf(cause))) ? 'SOURCE_TIMEOUT' : 'SOURCE_UNAVAILABLE'
  // An error of the HTTP parser contains what the upstream has sent.
  const options = nameOf(cause) === 'HTTPParserError' ? {} : { cause }
  return new SourceFailure(code, `Failed to request ${request}: ${messageOf(cause)}`, options)
}

export function timeoutFailure(request: string, ms: number): SourceFailure {
  return new SourceFailure('SOURCE_TIMEOUT', `Failed to request ${request}: no response within ${ms} ms`)
}

/** The failure of a response that does not have the expected form. */
export function responseFailure(request: string, status: number, reason: string): SourceFailure {
  return new SourceFailure('SOURCE_UNAVAILABLE', `Failed to request ${request}: ${reason}`, { status })
}

/** The failure of a response with a status other than 2xx. */
export function statusFailure(request: string, status: number, retryAfter: unknown): SourceFailure {
  const options = { status, retryAfter: retryAfterOf(retryAfter, Date.now()) }
  return new SourceFailure(codeOfStatus(status), `Failed to request ${request}: status ${status}`, options)
}

function codeOfStatus(status: number): SourceFailureCode {
  if (status === 429 || status === 503) return 'SOURCE_THROTTLED'
  // The upstream did not receive the request in time, so it is not permanent like the other 4xx.
  if (status === 408) return 'SOURCE_TIMEOUT'
  return status >= 400 && status < 500 ? 'SOURCE_REFUSED' : 'SOURCE_UNAVAILABLE'
}
