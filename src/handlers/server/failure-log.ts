/** Logs each response with a 5xx status once, with the request that it belongs to and the reason. */
import { type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import { codeOf, messageOf } from '../../bus/errors.ts'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import { propertyOf } from '../../bus/thrown.ts'
import { type WatchedResponse, watched } from './node/response.ts'
import type { RejectionLog } from './rejection-log.ts'

/** Rejections because of a state of the service, not a failure. A line each would flood the log. */
const rejections: ReadonlySet<unknown> = new Set(['OVERLOADED', 'BUS_EXITING', 'SOURCE_STARTING'])

export class FailureLog {
  readonly #bus: ProcessBus
  readonly #rejections: RejectionLog

  constructor(bus: ProcessBus, rejectionLog: RejectionLog) {
    this.#bus = bus
    this.#rejections = rejectionLog
  }

  /** Keeps an error of a request until the status of its response is known. */
  add(error: unknown, reply: FastifyReply): void {
    const response = watched(reply)
    response.errors ??= []
    if (!response.errors.includes(error)) response.errors.push(error)
  }

  /** Called before the head of a response with a 5xx status is sent. */
  readonly onServerError = (response: WatchedResponse, status: number): void => {
    const { request, errors = [] } = response
    if (response.isReported || !request) return
    response.isReported = true
    if (errors.length === 0) {
      this.#log(response, status, `Failed to handle ${request.method}: the route replied with ${status}`)
      return
    }
    const [error] = errors
    if (this.#isReportedElsewhere(error, response, status)) return
    const reasons = errors.map(messageOf).join('; ')
    // A second one occurred while the response to the first was sent.
    const err = errors.length === 1 ? error : new AggregateError(errors, reasons)
    this.#log(response, status, `Failed to handle ${request.method}: ${reasons}`, err)
  }

  /** Reports streams that fail after the head of their response has been sent, as a part of Fastify's options. */
  controller(): LogController {
    const onStreamError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      const response = watched(reply)
      if (response.destroyed || response.isReported) return // the client has disconnected, or there is a line already
      response.isReported = true
      const message = `Failed to send the response to ${request.method}: ${messageOf(error)}`
      this.#log(response, response.statusCode, message, error)
    }
    return new (class extends LogController {
      override streamError = onStreamError
    })()
  }

  #isReportedElsewhere(error: unknown, { req, request, route, config }: WatchedResponse, status: number): boolean {
    if (req.errored !== null && req.errored === error) return true // the client disconnected while sending the request
    const code = codeOf(error)
    if (rejections.has(code)) {
      this.#rejections.add(String(code), messageOf(error), { reqId: request?.id, route, status })
      return true
    }
    // A watched route reports its own failures: the audit line contains the reason.
    return config.watch !== undefined && propertyOf(error, 'name') === 'SourceFailure'
  }

  #log({ request, route }: WatchedResponse, status: number, message: string, err?: unknown): void {
    this.#bus.log('error', message, { reqId: request?.id, method: request?.method, route, status, err })
  }
}
