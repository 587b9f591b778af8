/** An HTTP server started on a bus, and a client that sees every byte. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import { type HttpService, startHttp as start } from '../../../src/testing/http.ts'

export type { HttpService }

/** Starts them as for any user, and stops all of it when the test is finished. */
export async function startHttp(...args: Parameters<typeof start>): Promise<HttpService> {
  const service = await start(...args)
  onTestFinished(async () => {
    await service.stop()
  })
  return service
}

export interface RawReply {
  readonly status: number
  /** By name, in small letters. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A connection to a server, and the replies that come through it. */
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
    socket.setEncoding('latin1') // a character for a byte
    socket.on('data', (text: string) => {
      this.#received += text
      changed()
    })
    socket.on('end', onEnd).on('close', onEnd)
    socket.on('error', () => {}) // a reset is an end like any other
  }

  /** Opens the connection; it is closed when the test is finished, if not before. */
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

  /** Sends these lines, and the empty one that ends the head of a request. */
  send(...lines: string[]): void {
    this.socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  }

  /** The next reply, as long as its `Content-Length` says. */
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
      if (this.#ended) throw new Error(`the connection ended after ${JSON.stringify(this.#received)}`)
      await this.#change.promise
    }
    const taken = this.#received.slice(0, length())
    this.#received = this.#received.slice(taken.length)
    return taken
  }
}

/** What a client is told of an error. Fails unless it is a problem as every other of this service. */
export function problemIn({ status, headers, body }: RawReply): Record<string, unknown> {
  expect(headers['content-type']).toMatch(/^application\/problem\+json(;|$)/)
  expect(headers['cache-control']).toBe('no-store')
  const problem = JSON.parse(body)
  expect(Object.keys(problem)).toEqual(['type', 'title', 'status', 'detail', 'instance'])
  expect(problem).toMatchObject({ status, instance: headers['x-request-id'] })
  expect(`${JSON.stringify(headers)}${body}`).not.toMatch(/aws|amazon|dynamo|arn:|fastify|fst_|node|stack|\.[jt]s\b/i)
  return problem
}

/** Asks a server, and reads the reply to its end. */
export async function ask(url: string, init: RequestInit = {}): Promise<RawReply> {
  const response = await fetch(url, init)
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
}

/** Whether a connection to the port is accepted. */
export async function accepts(port: number): Promise<boolean> {
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
