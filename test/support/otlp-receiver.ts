/** A collector that receives spans over OTLP/HTTP as protobuf, and decodes what the tests need of them. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { listen } from './http/listen.ts'

export interface ReceivedSpan {
  readonly resource: Readonly<Record<string, unknown>>
  readonly scope: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly traceState: string
  readonly name: string
  readonly kind: 'INTERNAL' | 'SERVER' | 'CLIENT' | 'OTHER'
  /** In nanoseconds since the epoch. */
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Readonly<Record<string, unknown>>
  /** The linked spans, by id. */
  readonly links: readonly string[]
  readonly isError: boolean
  readonly statusMessage: string
}

export interface OtlpReceiver {
  readonly endpoint: string
  readonly spans: ReceivedSpan[]
  /** The bodies as received. */
  readonly bodies: Buffer[]
  readonly headers: IncomingHttpHeaders[]
  /** The status of the next responses. */
  status: number
  /** The number of bodies that were answered with another status than 200. */
  refused: number
  /** Never responds while this is set. */
  silent: boolean
  /** Called with each body. */
  onBody: (body: Buffer) => void
  close(): Promise<void>
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  const bodies: Buffer[] = []
  const headers: IncomingHttpHeaders[] = []
  const server = createServer(async (request, response) => {
    const body = await buffer(request)
    if (receiver.silent) return
    if (receiver.status === 200 && request.url === '/v1/traces') {
      bodies.push(body)
      receiver.onBody(body)
      headers.push(request.headers)
      spans.push(...decode(body))
    }
    if (receiver.status !== 200) receiver.refused += 1
    response.writeHead(receiver.status, { 'content-type': 'application/x-protobuf' }).end()
  })
  const { endpoint, close } = await listen(server)
  const receiver: OtlpReceiver = {
    endpoint,
    spans,
    bodies,
    headers,
    status: 200,
    silent: false,
    refused: 0,
    onBody: () => {},
    close,
  }
  onTestFinished(async () => {
    server.closeAllConnections()
    await close()
  })
  return receiver
}

/** The names of the spans below each other, with what distinguishes them. */
export function treeOf(spans: readonly ReceivedSpan[], parentSpanId = '', depth = 0): string[] {
  return spans
    .filter((span) => span.parentSpanId === parentSpanId)
    .toSorted((one, other) => Number(one.start - other.start))
    .flatMap((span) => [
      `${'  '.repeat(depth)}${span.kind} ${span.name}${span.isError ? ' (error)' : ''}`,
      ...treeOf(spans, span.spanId, depth + 1),
    ])
}

type Value = number | bigint | Buffer
/** The values of a message by field number. */
type Message = ReadonlyMap<number, readonly Value[]>

/** Reads the wire format: https://protobuf.dev/programming-guides/encoding/ */
function messageIn(bytes: Buffer): Message {
  const fields = new Map<number, Value[]>()
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at] ?? 0
      at += 1
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const wireType = tag & 7
    let value: Value
    if (wireType === 0) value = varint()
    else if (wireType === 1) {
      value = bytes.readBigUInt64LE(at)
      at += 8
    } else if (wireType === 2) {
      const length = Number(varint())
      value = bytes.subarray(at, at + length)
      at += length
    } else if (wireType === 5) {
      value = bytes.readUInt32LE(at)
      at += 4
    } else throw new Error(`unexpected wire type ${wireType}`)
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value])
  }
  return fields
}

const messages = (message: Message, field: number) =>
  (message.get(field) ?? []).map((value) => messageIn(value as Buffer))
const bytes = (message: Message, field: number) => (message.get(field)?.[0] as Buffer | undefined) ?? Buffer.alloc(0)
const text = (message: Message, field: number) => bytes(message, field).toString()
const integer = (message: Message, field: number) => BigInt((message.get(field)?.[0] as bigint | undefined) ?? 0)

function attributes(message: Message, field: number): Record<string, unknown> {
  return Object.fromEntries(
    messages(message, field).map((pair) => [text(pair, 1), anyValue(messageIn(bytes(pair, 2)))]),
  )
}

function anyValue(value: Message): unknown {
  const [[field, [content]] = [0, []]] = [...value].map(([number, contents]) => [number, contents] as const)
  if (field === 1) return String(content)
  if (field === 2) return content === 1n
  if (field === 3) return Number(content)
  if (field === 4) return Buffer.from(BigUint64Array.of(content as bigint).buffer).readDoubleLE()
  if (field === 5) return messages(messageIn(content as Buffer), 1).map(anyValue)
  return undefined
}

const kinds = new Map<bigint, ReceivedSpan['kind']>([
  [1n, 'INTERNAL'],
  [2n, 'SERVER'],
  [3n, 'CLIENT'],
])

/** https://github.com/open-telemetry/opentelemetry-proto: `ExportTraceServiceRequest` */
function decode(body: Buffer): ReceivedSpan[] {
  return messages(messageIn(body), 1).flatMap((ofResource) => {
    const resource = attributes(messageIn(bytes(ofResource, 1)), 1)
    return messages(ofResource, 2).flatMap((ofScope) => {
      const scope = text(messageIn(bytes(ofScope, 1)), 1)
      return messages(ofScope, 2).map((span): ReceivedSpan => {
        const status = messageIn(bytes(span, 15))
        return {
          resource,
          scope,
          traceId: bytes(span, 1).toString('hex'),
          spanId: bytes(span, 2).toString('hex'),
          traceState: text(span, 3),
          parentSpanId: bytes(span, 4).toString('hex'),
          name: text(span, 5),
          kind: kinds.get(integer(span, 6)) ?? 'OTHER',
          start: integer(span, 7),
          end: integer(span, 8),
          attributes: attributes(span, 9),
          links: messages(span, 13).map((link) => bytes(link, 2).toString('hex')),
          isError: integer(status, 3) === 2n,
          statusMessage: text(status, 2),
        }
      })
    })
  })
}
