/**
 * Bounds the requests that a connection pipelines (https://www.rfc-editor.org/rfc/rfc9112#section-9.3.2). Node.js
 * parses everything that it has read, up to some thousand requests at once. Answering them all would keep a reply to
 * each in memory, so a request waits while the replies before it fill the connection.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Limits } from '../limits.ts'
import { emitRequestEnd } from './empty-requests.ts'
import type { PendingReplies } from './pending-replies.ts'
import { onClosed, type WatchedResponse } from './response.ts'

type Handle = (request: IncomingMessage, response: WatchedResponse) => void

const pipeline = Symbol('pipeline')

interface Connection extends Socket {
  [pipeline]?: Pipeline
  /** Internal to Node.js. */
  readonly parser?: { onIncoming: () => number } | null
}

/** The memory of a request and its response without the reply, in bytes; measured, including garbage. */
const requestSize = 8 * 1024

/** Time for waiting requests before the event loop handles other connections, in milliseconds. */
const turn = 10

/** The unanswered requests of a connection. */
export class Pipeline {
  /** Oldest first. */
  readonly responses: WatchedResponse[] = []
  /** The newest ones, which have not been handled yet. */
  readonly waiting: (() => void)[] = []
  #taken = 0
  #since = 0

  /** Returns the pipeline of a connection that has sent a request. */
  static of(socket: Connection): Pipeline | undefined {
    return socket[pipeline]
  }

  /** Returns or creates the pipeline of a connection. */
  static at(socket: Connection): Pipeline {
    socket[pipeline] ??= new Pipeline()
    return socket[pipeline]
  }

  /** The memory of the requests that are being handled and their replies, in bytes. */
  get bytes(): number {
    return this.responses
      .slice(0, this.responses.length - this.waiting.length)
      .reduce((sum, { unread, body }) => sum + requestSize + unread + (body?.byteLength ?? 0), 0)
  }

  /**
   * Returns for how many milliseconds the client has taken nothing of a pending reply, between calls of this method.
   * @param now in milliseconds
   */
  stalledFor({ bytesWritten, writableLength }: Socket, now: number): number {
    const taken = bytesWritten - writableLength
    if (writableLength === 0 || taken !== this.#taken || this.#since === 0) this.#since = now
    this.#taken = taken
    return now - this.#since
  }
}

/**
 * Creates a listener that passes the requests of each connection to `handle`, within the limits.
 * @param isClosing whether a connection closes after its current response
 */
export function boundedPipelines(
  handle: Handle,
  { pipelinedBytes }: Limits,
  pending: PendingReplies,
  isClosing: () => boolean,
): Handle {
  let turnEnds = 0

  function isTurnOver(): boolean {
    const now = performance.now()
    if (turnEnds > 0) return now > turnEnds
    turnEnds = now + turn
    setImmediate(() => {
      turnEnds = 0
    })
    return false
  }

  function handleNext(socket: Socket, { waiting }: Pipeline): void {
    if (socket.destroyed) return
    waiting.shift()?.()
    if (waiting.length === 0) socket.resume()
  }

  function onEnd(response: WatchedResponse) {
    const { socket } = response.req
    const connection = Pipeline.at(socket)
    connection.responses.shift()
    pending.bytes -= requestSize + response.unread
    if (response.body) pending.release(response.body)
    emitRequestEnd(response)
    if (isClosing() && socket.writable) socket.destroySoon()
    else if (connection.waiting.length === 0) return
    else if (isTurnOver()) setImmediate(handleNext, socket, connection)
    else handleNext(socket, connection)
  }

  return (request, response) => {
    const { socket } = request
    if (socket.destroyed) return // Node.js still parses what it has read
    const connection = Pipeline.at(socket)
    const { responses, waiting } = connection
    responses.push(response)
    pending.bytes += requestSize
    onClosed(response, onEnd)
    if (responses.length === 1) handle(request, response)
    else if (pending.isOverHalf) abandon(socket)
    else if (waiting.length === 0 && connection.bytes <= pipelinedBytes) handle(request, response)
    else {
      // After Node.js has parsed what it has read, because it resumes the connection with each request.
      if (waiting.push(() => handle(request, response)) === 1) process.nextTick(() => socket.pause())
    }
  }
}

/** Closes a connection and drops its unparsed requests. Creating a response to each would cost more memory. */
function abandon(socket: Connection): void {
  if (socket.parser) socket.parser.onIncoming = () => 0
  socket.destroy()
}
