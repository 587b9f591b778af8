/** An HTTP server on a bus, and a client on a raw socket. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import { type HttpService, startHttp as start } from '../../../src/testing/http.ts'

export type { HttpService }

/** Starts the service with the public test helper, and stops it when the test ends. */
export async function startHttp(...args: Parameters<typeof start>): Promise<HttpService> {
  const service = await start(...args)
  onTestFinished(async () => {
    await service.stop()
  })
  return service
}

export interface RawReply {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A raw connection to a server, with a reader for its responses. */
export class RawConnection {
  readonly socket: Socket
  #received = ''
  #ended = false
  #change = Promise.withResolvers<void>()

  private constructor(socket: Socket) {
    this.socket = socket
    const changed = () => {
      this.#change.resolve()
      this.#change = Promise.withResolvers()
    }
    const onEnd = () => {
      this.#ended = true
      changed()
    }
    socket.setEncoding('latin1') // one character per byte
    socket.on('data', (text: string) => {
      this.#received += text
      changed()
    })
    socket.on('end', onEnd).on('close', onEnd)
    socket.on('error', () => {}) // a reset is treated like a normal end
  }

  /** Opens a connection, which closes when the test ends at the latest. */
  static async open(port: number, options: { readonly allowHalfOpen?: boolean } = {}): Promise<RawConnection> {
    const socket = connect({ host: '127.0.0.1', port, ...options })
    onTestFinished(() => {
      socket.destroy()
    })
    await once(socket, 'connect')
    return new RawConnection(socket)
  }

  /** Whether the server has ended the connection. */
  get ended(): boolean {
    return this.#ended
  }

  /** Sends the lines, followed by the empty line that ends a request head. */
  send(...lines: string[]): void {
    this.socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  }

  /** Reads the next response, up to its `Content-Length`. */
  async reply(): Promise<RawReply> {
    const end = '\r\n\r\n'
    const head = await this.#take(() => (this.#received.includes(end) ? this.#received.indexOf(end) + 4 : Infinity))
    const [statusLine = '', ...lines] = head.trimEnd().split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
    )
    const body = await this.#take(() => Number(headers['content-length'] ?? 0))
    return { status: Number(statusLine.split(' ')[1]), headers, body: Buffer.from(body, 'latin1').toString() }
  }

  async #take(length: () => number): Promise<string> {
    while (this.#received.length < length()) {
      if (this.#ended) throw new Error(`The connection ended after ${JSON.stringify(this.#received)}`)
      await this.#change.promise
    }
    const taken = this.#received.slice(0, length())
    this.#received = this.#received.slice(taken.length)
    return taken
  }
}

/** Parses a response as problem details. Fails unless it has the form common to all errors of the service. */
export function parseProblem({ status, headers, body }: RawReply): Record<string, unknown> {
  expect(headers['content-type']).toMatch(/^application\/problem\+json(;|$)/)
  expect(headers['cache-control']).toBe('no-store')
  const problem = JSON.parse(body)
  expect(Object.keys(problem)).toEqual(['type', 'title', 'status', 'detail', 'instance'])
  expect(problem).toMatchObject({ status, instance: headers['x-request-id'] })
  expect(`${JSON.stringify(headers)}${body}`).not.toMatch(/aws|amazon|dynamo|arn:|fastify|fst_|node|stack|\.[jt]s\b/i)
  return problem
}

/** Sends a request and reads the whole response. */
export async function fetchReply(url: string, init: RequestInit = {}): Promise<RawReply> {
  const response = await fetch(url, init)
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
}

/** Whether the port accepts a connection. */
export async function acceptsConnections(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
