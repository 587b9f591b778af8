/** Reads the response of an upstream API. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { responseFailure, statusFailure } from './failures.ts'

export interface UpstreamResponse {
  /** Between 200 and 299. */
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<IncomingHttpHeaders>
  /** The parsed JSON; undefined for the statuses 204 and 205 and the method HEAD, which have no body. */
  readonly body: unknown
}

/** Size up to which the body of an error response is read, so that its connection can be used again, in bytes. */
const maxErrorBody = 64 * 1024

/**
 * @param name the method and URL, for messages
 * @throws SourceFailure if the status is not 2xx or the body is not JSON; the error of undici if it cannot be read
 */
export async function read(name: string, method: string, response: Dispatcher.ResponseData): Promise<UpstreamResponse> {
  const { statusCode: status, headers, body } = response
  if (status < 200 || status > 299) {
    await body.dump({ limit: maxErrorBody }).catch(() => {}) // the status is sufficient
    throw statusFailure(name, status, headers['retry-after'])
  }
  const text = await body.text()
  if (method === 'HEAD' || status === 204 || status === 205) return { status, headers, body: undefined }
  return { status, headers, body: parsed(name, status, text) }
}

function parsed(name: string, status: number, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Without the cause, whose message quotes the body.
    throw responseFailure(name, status, 'the response must be JSON')
  }
}
