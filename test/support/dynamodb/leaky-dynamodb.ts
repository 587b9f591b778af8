/** A fake DynamoDB endpoint that leaks a secret: its responses contain the value where the service does not expect it. */
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { startFaultyServer } from '../http/faulty-server.ts'

export interface LeakyDynamodb {
  readonly endpoint: string
  /** Code names whose first read leaks; one per kind of leak. */
  readonly cold: readonly string[]
  /** Code names whose first read returns a valid item and whose later reads leak. */
  readonly warm: readonly string[]
  /** The requests received, and their bodies in the same order. */
  readonly requests: readonly IncomingMessage[]
  readonly bodies: readonly string[]
}

const warmPrefix = 'valid, then '

/** @param valueAttribute the attribute that the service reads */
export async function startLeakyDynamodb(value: string, valueAttribute: string): Promise<LeakyDynamodb> {
  const replies = new Map([...leakyReplies(value, valueAttribute), ...brokenReplies(value)])
  const valid = reply(200, JSON.stringify({ Item: { [valueAttribute]: { S: value } } }))
  const read = new Set<string>()
  const bodies: string[] = []
  const { endpoint, requests } = await startFaultyServer(async (request) => {
    const body = await text(request)
    bodies.push(body)
    const [key]: { S: string }[] = Object.values(JSON.parse(body).Key)
    const codeName = key?.S ?? ''
    const isValid = codeName.startsWith(warmPrefix) && !read.has(codeName)
    read.add(codeName)
    request.socket.end(isValid ? valid : (replies.get(codeName.replace(warmPrefix, '')) ?? valid))
  })
  const cold = [...replies.keys()]
  return { endpoint, cold, warm: cold.map((name) => `${warmPrefix}${name}`), requests, bodies }
}

/** The identity in an error message of AWS, which only the log may show. */
export const deniedTo = 'arn:aws:sts::210987654321:assumed-role/doctor'

/** Valid HTTP responses, by kind of leak. */
function leakyReplies(value: string, valueAttribute: string): [string, string][] {
  const quoted = JSON.stringify(value)
  const base64 = JSON.stringify(Buffer.from(value).toString('base64'))
  const attribute = (content: string) => `{"Item":{${JSON.stringify(valueAttribute)}:${content}}}`
  const types = {
    'a number': `{"N":${quoted}}`,
    bytes: `{"B":${base64}}`,
    'invalid bytes': `{"B":${quoted}}`,
    'a list': `{"L":[{"S":${quoted}}]}`,
    'an invalid list': `{"L":${quoted}}`,
    'a map': `{"M":{"S":{"S":${quoted}}}}`,
    'an invalid map': `{"M":${quoted}}`,
    'a set of strings': `{"SS":[${quoted}]}`,
    'a set of bytes': `{"BS":[${base64},${quoted}]}`,
    'an unknown type': `{"X":${quoted}}`,
    'an invalid string': `{"S":{"S":${quoted}}}`,
    'no type': quoted,
  }
  const bodies = {
    ...Object.fromEntries(Object.entries(types).map(([name, content]) => [name, attribute(content)])),
    'another attribute': `{"Item":{"another":{"S":${quoted}}}}`,
    'an extra attribute': attribute(`{"S":"harmless"},"another":{"S":${quoted}}`),
    'the name of an attribute': `{"Item":{${quoted}:{"S":"x"}}}`,
    'an invalid item': `{"Item":${quoted}}`,
    'no item': `{"Thing":${quoted}}`,
    'not an object': quoted,
    'truncated JSON': attribute(`{"S":${quoted}`).slice(0, -2),
    'JSON with trailing text': `${attribute(`{"S":${quoted}}`)} ${value}`,
    HTML: `<html><body>${value}</body></html>`,
    'plain text': value,
  }
  const succeeded = Object.entries(bodies).map(([name, body]): [string, string] => [name, reply(200, body)])
  const failed = ([400, 500] as const).flatMap((status) =>
    (['another attribute', 'truncated JSON', 'HTML'] as const).map((name): [string, string] => {
      return [`${name}, with ${status}`, reply(status, bodies[name])]
    }),
  )
  const error = (name: string, message: string, more: object = {}) =>
    JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message, ...more })
  const denied = error('AccessDeniedException', `User: ${deniedTo} is not authorized to perform: dynamodb:GetItem`)
  const inBody = error('InternalServerError', 'it broke', {
    [valueAttribute]: value,
    Item: { [valueAttribute]: value },
  })
  return [
    ...succeeded,
    ...failed,
    ['a header', reply(200, attribute('{"S":"harmless"}'), `x-leaked: ${encodeURIComponent(value)}\r\n`)],
    ['a header of an error response', reply(400, denied, `x-leaked: ${encodeURIComponent(value)}\r\n`)],
    ['an error with extra members', reply(400, inBody)],
    ['a server error with extra members', reply(500, inBody)],
    [
      'an error with the item',
      reply(400, error('ConditionalCheckFailedException', 'no', { Item: { x: { S: value } } })),
    ],
    ['throttling with extra members', reply(400, error('ThrottlingException', 'slow down', { value }))],
    // The format of AWS's message about a wrong signature, with the value in place of the session token.
    [
      'the second paragraph',
      reply(400, error('InvalidSignatureException', `It does not match.\n\nIt is:\n'${value}'`)),
    ],
    ['a redirect', reply(307, '', `location: http://127.0.0.1:9/${encodeURIComponent(value)}\r\n`)],
    ['a wrong content encoding', reply(200, attribute(`{"S":${quoted}}`), 'content-encoding: gzip\r\n')],
  ]
}

/** Invalid or truncated HTTP responses, by kind of leak. */
function brokenReplies(value: string): [string, string][] {
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
  return [
    ['not HTTP', value],
    ['an invalid header', `HTTP/1.1 200 OK\r\n${value}\r\n\r\n`],
    ['the reason phrase', `HTTP/1.1 400 ${value}\r\ncontent-length: 0\r\n\r\n`],
    ['an invalid chunk', `${chunked}${value}\r\n`],
    ['a chunk longer than its size', `${chunked}3\r\n{"I${value}\r\n0\r\n\r\n`],
    ['a truncated response', reply(200, `{"Item":"${value}"}`).replace('content-length: ', 'content-length: 1')],
    ['data after the response', `${reply(200, '{}')}${value}`],
  ]
}

function reply(status: number, body: string, headers = ''): string {
  const length = Buffer.byteLength(body)
  const own = `content-type: application/x-amz-json-1.0\r\nx-amzn-requestid: ${requestId}\r\ncontent-length: ${length}\r\n`
  return `HTTP/1.1 ${status} Status\r\n${own}${headers}\r\n${body}`
}

/** The request id in each response. */
export const requestId = 'REQ1D0FAWS'
