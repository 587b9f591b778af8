/** The HTTP status of an error without a specific problem type, by the conventions of Fastify and http-errors. */
import { codeOf, nameOf, propertyOf } from '../../bus/thrown.ts'

/** An error response, apart from its text. */
export interface ErrorStatus {
  readonly status: number
  /** Another service failed. The client is not the cause, regardless of the status of that service's response. */
  readonly upstream: boolean
}

/** Properties of errors that HTTP clients throw: the AWS SDK, axios, got, ky, OpenAI; and of a thrown `Response`. */
const clientProperties = ['$metadata', 'response', 'requestID', 'request_id', 'bodyUsed']

const networkErrors: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
])

/** A timeout of the network; `ECONNABORTED` comes from axios. */
const timeouts = /^(UND_ERR_\w*TIMEOUT|ETIMEDOUT|ESOCKETTIMEDOUT|ECONNABORTED)$/

/** @param chosen the status of the reply: one that the handler has set takes precedence, as in Fastify */
export function errorStatus(error: unknown, chosen: number | undefined): ErrorStatus {
  if (isErrorStatus(chosen)) return { status: chosen, upstream: isFromClient(error) }
  if (isFromClient(error)) return { status: isTimeout(error) ? 504 : 502, upstream: true }
  const declared = propertyOf(error, 'statusCode') ?? propertyOf(error, 'status')
  if (isErrorStatus(declared)) return { status: declared, upstream: false }
  const cause = propertyOf(error, 'cause') // `fetch` throws a TypeError
  if (isFromClient(cause)) return { status: isTimeout(cause) ? 504 : 502, upstream: true }
  return { status: 500, upstream: false }
}

function isErrorStatus(status: unknown): status is number {
  return Number.isInteger(status) && Number(status) >= 400 && Number(status) <= 599
}

/** Whether an HTTP client threw the error, because of a response or because there was none. */
function isFromClient(error: unknown): boolean {
  const code = codeOf(error)
  if (networkErrors.has(code) || (typeof code === 'string' && code.startsWith('UND_ERR_'))) return true
  return isTimeout(error) || clientProperties.some((key) => propertyOf(error, key) != null)
}

function isTimeout(error: unknown): boolean {
  return timeouts.test(String(codeOf(error) ?? '')) || nameOf(error) === 'TimeoutError'
}

/** Headers that belong to a status: https://www.rfc-editor.org/rfc/rfc9110#section-15 */
const headersOfErrors: ReadonlySet<string> = new Set(['allow', 'retry-after', 'www-authenticate'])

/** The `headers` of an error, as in http-errors, that are safe to send. */
export function errorHeaders(error: unknown): [name: string, value: string][] {
  const headers = propertyOf(error, 'headers')
  if (isFromClient(error) || typeof headers !== 'object' || headers === null) return []
  return ownKeys(headers).flatMap((key): [string, string][] => {
    const name = key.toLowerCase()
    const value = propertyOf(headers, key)
    const valid = typeof value === 'number' || (typeof value === 'string' && /^[\t\x20-\x7e]*$/.test(value))
    return headersOfErrors.has(name) && valid ? [[name, String(value)]] : []
  })
}

function ownKeys(value: object): string[] {
  try {
    return Object.keys(value)
  } catch {
    return []
  }
}
