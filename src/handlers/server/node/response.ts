/** The response class of the HTTP server: a Node.js `ServerResponse` with the data for metrics and the audit trail. */
import type { IncomingMessage, OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isLoopbackHost } from '../host.ts'
import type { RouteConfig } from '../route-config.ts'
import * as nodeHttp from './node-http.ts'
import type { PendingReplies } from './pending-replies.ts'

/** Stands for the route of a request that matches none. */
export const noRoute = 'none'

/** Declares its fields up front: adding a field to a response later costs time on every request. */
export class WatchedResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends nodeHttp.ServerResponse<Request> {
  /** When the request head arrived, by `performance.now()`. */
  readonly began = performance.now()
  /** The route pattern, once hooks run; `noRoute` for a request that matches none. */
  route = noRoute
  /** The configuration of the route, once hooks run. */
  config: RouteConfig = noConfig
  /** The request as routes receive it, once hooks run. */
  request: FastifyRequest | undefined = undefined
  /** The errors of the request, in order. */
  errors: unknown[] | undefined = undefined
  /** Whether the log has the line on the failure of the request. */
  isReported = false
  /** Written bytes that the client has not taken, as last counted in `PendingReplies`. */
  unread = 0
  /** A body that is sent in pieces. */
  body: Uint8Array | undefined = undefined
  /** The bytes of that body that have been written. */
  sent = 0
  /** What `onClosed` calls. */
  readonly closing: ClosedListener[] = []

  constructor(...parameters: ConstructorParameters<typeof nodeHttp.ServerResponse<Request>>) {
    super(...parameters)
    this.on('close', close)
  }
}

type ClosedListener = (response: WatchedResponse) => void

const noConfig: RouteConfig = {}

function close(this: WatchedResponse): void {
  for (const listener of this.closing) listener(this)
}

/**
 * Calls the listener when the response has been sent or can no longer be sent. Does the same as a listener of `close`,
 * but costs less if there are several.
 */
export function onClosed(response: ServerResponse, listener: ClosedListener): void {
  if (response instanceof WatchedResponse) response.closing.push(listener)
  else response.on('close', () => listener(response as WatchedResponse)) // of `inject`
}

/** The response of a reply. */
export function watched({ raw }: Pick<FastifyReply, 'raw'>): WatchedResponse {
  return raw as WatchedResponse // the server creates no other, except for the requests of `inject`
}

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[]
export type ServerErrorListener = (response: WatchedResponse, status: number) => void
type Callback = (error?: Error | null) => void

/** A longer body is sent in pieces of this size, so that no connection holds a copy. TLS copies what is written. */
const pieceSize = 16 * 1024

/** Clients that have once used HTTPS must not fall back to HTTP for a year: https://www.rfc-editor.org/rfc/rfc6797. */
const strictTransport = 'max-age=31536000'

/**
 * Creates the response class for one server. A request may arrive long before the server starts to drain, so each
 * response decides when its head is written whether the connection stays open.
 * @param isDraining whether this is the last response on its connection
 * @param isSecure whether the server uses HTTPS
 * @param onServerError called before the head of a response with a 5xx status is sent
 */
export function serverResponse(
  isDraining: () => boolean,
  isSecure: boolean,
  pending: PendingReplies,
  onServerError: ServerErrorListener = () => {},
): typeof WatchedResponse {
  return class BoundedResponse<Request extends IncomingMessage> extends WatchedResponse<Request> {
    override writeHead(status: number, reason?: string | Headers, headers?: Headers): this {
      if (status >= 500) onServerError(this, status)
      if (isDraining()) this.setHeader('connection', 'close')
      const given = typeof reason === 'object' ? reason : headers
      addHeader(this, given, 'x-content-type-options', 'nosniff')
      if (isSecure && !isLoopbackHost(this.req.headers.host ?? 'localhost'))
        addHeader(this, given, 'strict-transport-security', strictTransport)
      return super.writeHead(status, reason as string, headers) // Node.js accepts both arguments as optional
    }

    override write(chunk: unknown, encoding?: BufferEncoding | Callback, callback?: Callback): boolean {
      if (this.body) return false // after `end`
      this.#flushHeadAfterContinue()
      const isBelowMark = super.write(chunk, encoding as BufferEncoding, callback) // Node.js accepts a callback, too
      this.#count()
      return isBelowMark
    }

    override end(chunk?: unknown, encoding?: BufferEncoding | Callback, callback?: Callback): this {
      if (this.body) return this // a second call
      if (isLarge(chunk) && !this.writableEnded) return this.#endInPieces(chunk, encoding, callback)
      if (chunk !== undefined) this.#flushHeadAfterContinue()
      super.end(chunk, encoding as BufferEncoding, callback) // Node.js accepts a callback, too
      this.#count()
      return this
    }

    /**
     * While a response is queued, Node.js puts its head in front of everything else if the body is binary, also of a
     * pending `100 Continue`, which would then become a part of the body.
     */
    #flushHeadAfterContinue(): void {
      if (!this.socket && this.unread === 0 && this.writableLength > 0) super.write('')
    }

    #endInPieces(chunk: string | Uint8Array, encoding?: BufferEncoding | Callback, callback?: Callback): this {
      const [coding, done] = typeof encoding === 'function' ? ['utf8' as const, encoding] : [encoding, callback]
      const body = typeof chunk === 'string' ? Buffer.from(chunk, coding ?? 'utf8') : chunk
      if (!pending.hold(body)) {
        this.req.socket.destroy()
        return this
      }
      this.body = body
      Object.defineProperty(this, 'writableEnded', { value: true })
      if (done) this.once('finish', done)
      if (!this.headersSent && !this.hasHeader('transfer-encoding')) this.setHeader('content-length', body.byteLength)
      const flush = () => this.#flush(body)
      const { socket } = this.req
      // Before Node.js, which ends a connection as soon as the client has ended it.
      socket.prependListener('end', flush)
      this.once('close', () => socket.off('end', flush))
      // While an earlier response of the connection is being sent, only the head is written.
      if (this.socket) this.#sendPiece(body)
      else super.write('', (error) => error ?? this.#sendPiece(body))
      return this
    }

    /** Writes one piece, and the next one when the connection has taken it and other connections had their turn. */
    #sendPiece(body: Uint8Array): void {
      const start = this.sent
      if (start >= body.byteLength) return // flushed
      this.sent = start + pieceSize
      if (this.sent >= body.byteLength) super.end(body.subarray(start))
      else super.write(body.subarray(start, this.sent), (error) => error ?? setImmediate(() => this.#sendPiece(body)))
      this.#count()
    }

    /** Writes the rest at once, unless other connections already take much memory. */
    #flush(body: Uint8Array): void {
      const start = this.sent
      if (!this.socket || start >= body.byteLength) return
      if (pending.isOverHalf) return void this.socket.destroy()
      this.sent = body.byteLength
      super.end(body.subarray(start))
      this.#count()
    }

    #count(): void {
      const unread = this.writableLength
      if (unread === this.unread) return
      pending.bytes += unread - this.unread
      this.unread = unread
    }
  }
}

function isLarge(chunk: unknown): chunk is string | Uint8Array {
  return (typeof chunk === 'string' || chunk instanceof Uint8Array) && chunk.length > pieceSize
}

/** Adds a header unless a route has set it: to the given ones if possible, because Node.js merges headers slowly. */
function addHeader(response: ServerResponse, given: Headers | undefined, name: string, value: string): void {
  if (response.hasHeader(name)) return
  if (given === undefined || Array.isArray(given)) response.setHeader(name, value)
  else given[name] ??= value
}

/** The status that nginx logs for a client that disconnected before the response; it is never sent. */
const clientClosedRequest = 499

/** The status of a response that has been sent or can no longer be sent. */
export function finalStatus({ writableFinished, statusCode }: ServerResponse): number {
  return writableFinished ? statusCode : clientClosedRequest
}

/**
 * Makes V8 determine the size of request and response objects before the first request.
 *
 * V8 sizes the objects of a class by the first seven instances (https://v8.dev/blog/slack-tracking) that survive a
 * garbage collection. If one runs between the first requests, as during startup, V8 may see none of them and make all
 * later objects too small: their fields move to dictionaries, and a request costs up to twice as much until the process
 * ends. Creating eight at once, with the fields of an answered request, and keeping them until the last one exists
 * prevents this.
 */
export function warmUpObjectShapes(Response: typeof nodeHttp.ServerResponse): void {
  Array.from({ length: 8 }, () => new Response(new nodeHttp.IncomingMessage(new Socket())).writeHead(200))
}
