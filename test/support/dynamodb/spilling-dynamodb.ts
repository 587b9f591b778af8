/** A DynamoDB that spills a secret: it replies with the value, but anywhere else than where the service looks for it. */
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { startFaultyServer } from '../http/faulty-server.ts'

export interface SpillingDynamodb {
  readonly endpoint: string
  /** One for each way to spill, which then happens with the first read of it. */
  readonly cold: readonly string[]
  /** The same, but the first read is answered well. */
  readonly warm: readonly string[]
  /** What was asked: the requests, and their bodies in the same order. */
  readonly requests: readonly IncomingMessage[]
  readonly bodies: readonly string[]
}

/** @param valueAttribute where the service looks for the value */
export async function startSpillingDynamodb(value: string, valueAttribute: string): Promise<SpillingDynamodb> {
  const replies = new Map([...spillingReplies(value, valueAttribute), ...brokenReplies(value)])
  const good = reply(200, JSON.stringify({ Item: { [valueAttribute]: { S: value } } }))
  const answeredWell = new Set<string>()
  const bodies: string[] = []
  const { endpoint, requests } = await startFaultyServer(async (request) => {
    const body = await text(request)
    bodies.push(body)
    const [key]: { S: string }[] = Object.values(JSON.parse(body).Key)
    const codeName = key?.S ?? ''
    const isGood = codeName.startsWith('well, then ') && !answeredWell.has(codeName)
    if (isGood) answeredWell.add(codeName)
    request.socket.end(isGood ? good : (replies.get(codeName.replace('well, then ', '')) ?? good))
  })
  const cold = [...replies.keys()]
  return { endpoint, cold, warm: cold.map((name) => `well, then ${name}`), requests, bodies }
}

/** What AWS says of who asked: it is for the log alone. */
export const deniedTo = 'arn:aws:sts::210987654321:assumed-role/doctor'

/** Replies that are HTTP, by how they spill. */
function spillingReplies(value: string, valueAttribute: string): [string, string][] {
  const quoted = JSON.stringify(value)
  const base64 = JSON.stringify(Buffer.from(value).toString('base64'))
  const attribute = (content: string) => `{"Item":{${JSON.stringify(valueAttribute)}:${content}}}`
  const types = {
    'a number': `{"N":${quoted}}`,
    bytes: `{"B":${base64}}`,
    'bytes that are none': `{"B":${quoted}}`,
    'a list': `{"L":[{"S":${quoted}}]}`,
    'a list that is none': `{"L":${quoted}}`,
    'a map': `{"M":{"S":{"S":${quoted}}}}`,
    'a map that is none': `{"M":${quoted}}`,
    'a set of strings': `{"SS":[${quoted}]}`,
    'a set of bytes': `{"BS":[${base64},${quoted}]}`,
    'a type that does not exist': `{"X":${quoted}}`,
    'a string that is none': `{"S":{"S":${quoted}}}`,
    'no type': quoted,
  }
  const bodies = {
    ...Object.fromEntries(Object.entries(types).map(([name, content]) => [name, attribute(content)])),
    'another attribute': `{"Item":{"another":{"S":${quoted}}}}`,
    'an attribute more': attribute(`{"S":"harmless"},"another":{"S":${quoted}}`),
    'the name of an attribute': `{"Item":{${quoted}:{"S":"x"}}}`,
    'an item that is none': `{"Item":${quoted}}`,
    'no item': `{"Thing":${quoted}}`,
    'no object': quoted,
    'JSON that breaks off': attribute(`{"S":${quoted}`).slice(0, -2),
    'JSON and more': `${attribute(`{"S":${quoted}}`)} ${value}`,
    HTML: `<html><body>${value}</body></html>`,
    'text alone': value,
  }
  const well = Object.entries(bodies).map(([name, body]): [string, string] => [name, reply(200, body)])
  const failed = ([400, 500] as const).flatMap((status) =>
    (['another attribute', 'JSON that breaks off', 'HTML'] as const).map((name): [string, string] => {
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
    ...well,
    ...failed,
    ['a header', reply(200, attribute('{"S":"harmless"}'), `x-spilled: ${encodeURIComponent(value)}\r\n`)],
    ['a header of an error', reply(400, denied, `x-spilled: ${encodeURIComponent(value)}\r\n`)],
    ['an error with more in it', reply(400, inBody)],
    ['an error of the server with more in it', reply(500, inBody)],
    [
      'an error with the item',
      reply(400, error('ConditionalCheckFailedException', 'no', { Item: { x: { S: value } } })),
    ],
    ['throttling with more in it', reply(400, error('ThrottlingException', 'slow down', { value }))],
    // So AWS explains it where a signature is wrong, here with the value for the session token.
    [
      'the second paragraph',
      reply(400, error('InvalidSignatureException', `It does not match.\n\nIt is:\n'${value}'`)),
    ],
    ['a redirection', reply(307, '', `location: http://127.0.0.1:9/${encodeURIComponent(value)}\r\n`)],
    ['what is said to be compressed', reply(200, attribute(`{"S":${quoted}}`), 'content-encoding: gzip\r\n')],
  ]
}

/** Replies that are no HTTP, or break off, by how they spill. */
function brokenReplies(value: string): [string, string][] {
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
  return [
    ['no HTTP', value],
    ['no header', `HTTP/1.1 200 OK\r\n${value}\r\n\r\n`],
    ['the reason of the status', `HTTP/1.1 400 ${value}\r\ncontent-length: 0\r\n\r\n`],
    ['no chunk', `${chunked}${value}\r\n`],
    ['a chunk that is longer', `${chunked}3\r\n{"I${value}\r\n0\r\n\r\n`],
    ['a reply cut short', reply(200, `{"Item":"${value}"}`).replace('content-length: ', 'content-length: 1')],
    ['a reply that goes on', `${reply(200, '{}')}${value}`],
  ]
}

function reply(status: number, body: string, headers = ''): string {
  const length = Buffer.byteLength(body)
  const own = `content-type: application/x-amz-json-1.0\r\nx-amzn-requestid: ${requestId}\r\ncontent-length: ${length}\r\n`
  return `HTTP/1.1 ${status} Whatever\r\n${own}${headers}\r\n${body}`
}

/** What AWS calls each of its replies. */
export const requestId = 'REQ1D0FAWS'
