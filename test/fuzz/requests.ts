/** Generators of well-formed but unusual requests, malformed requests, and arbitrary bytes. */
import { METHODS } from 'node:http'
import fc from 'fast-check'
import { weighted } from './weighted.ts'

/** Code names that are configured and have a secret in the table. */
export const names = ['thedoctor', 'a/b', '100%', '%2F', 'ünï cödé', '..', ':codeName', '?x#y', '__proto__', '\0']
export const tokens = ['some.token/==', 'another-token']

export interface Request {
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** One character per byte. */
  readonly body: string | undefined
  readonly chunked: boolean
}

/** Serializes a request, with one character per byte. */
export function bytesOf({ method, target, headers, body, chunked }: Request, ...moreHeaders: string[]): string {
  const fields = [...headers.map(([name, value]) => `${name}: ${value}`), ...moreHeaders]
  if (body !== undefined) fields.push(chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`)
  const chunks = body ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : '0\r\n\r\n'
  return [`${method} ${target} HTTP/1.1`, ...fields, '', body !== undefined && chunked ? chunks : body].join('\r\n')
}

const constant = fc.constant
const oneOf = fc.constantFrom
const anyCase = (text: string) => fc.mixedCase(constant(text))
const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code))
const everyByte = (text: string) => Buffer.from(text).toString('hex').replaceAll(/../g, '%$&')
const brokenAt = (end: string) => (text: string) => encodeURIComponent(text) + end

const encoding = weighted<(text: string) => string>(
  [6, constant(encodeURIComponent)],
  [2, constant(everyByte)],
  [1, constant((text) => encodeURIComponent(encodeURIComponent(text)))],
  [1, oneOf('%', '%2', '%zz', '%FF', '%C0%AF', '%ED%A0%80', '%E2%82').map(brokenAt)],
)
const segment = fc
  .tuple(
    weighted(
      [3, oneOf(...names, 'secret', 'health', '', '.', 'constructor')],
      [2, fc.string({ unit: 'binary', maxLength: 6 })],
      [1, oneOf('x'.repeat(2_048), 'x'.repeat(2_049), `%2F${'x'.repeat(2_046)}`)],
    ),
    encoding,
  )
  .map(([text, encode]) => encode(text))
const path = fc
  .tuple(
    weighted<readonly string[]>(
      [3, segment.map((name) => ['secret', name])],
      [3, oneOf(['secret'], ['s%65cret'], ['SECRET'], ['health'], ['ready'], ['metrics'], ['-', 'reload'])],
      [1, fc.array(segment, { maxLength: 4 })],
    ),
    oneOf('', '', '', '/', '?', '?codeName=a%2Fb', '?%zz', ';x', '?/../secret'),
  )
  .map(([segments, end]) => `/${segments.join('/')}${end}`)
const target = weighted(
  [8, path],
  [2, fc.tuple(oneOf('http://h', 'HTTPS://h:1', 'http://u@h'), path).map(([origin, path]) => `${origin}${path}`)],
  [1, oneOf('*', 'http://h', 'ftp://h/secret', '//secret', '/../secret', '/secret//')],
)

const [token, other] = tokens
const authorization = weighted(
  [3, fc.tuple(anyCase('bearer'), oneOf(...tokens)).map(([scheme, token]) => `${scheme} ${token}`)],
  [1, oneOf('', 'Bearer', `Bearer   ${token} `, `Bearer ${token},${other}`, `Bearer ${other}x`, `Basic ${other}`)],
  [1, oneOf(`Bearer\t${token}`, `x Bearer ${token}`, `${token}`)],
)
const value = fc.oneof(
  fc.string({ unit: byte.filter((character) => /[\t -~\x80-\xff]/.test(character)) }),
  constant('x'.repeat(1_000)),
)
const header = weighted<readonly [string, string]>(
  [3, fc.tuple(anyCase('authorization'), authorization)],
  [1, fc.tuple(fc.stringMatching(/^x-[\w!#$%&'*+.^`|~-]+$/), value)],
  [1, fc.tuple(oneOf('accept', 'content-type', 'cookie', '__proto__', 'x-forwarded-for', 'x-request-id'), value)],
  [1, oneOf(['content-type', 'application/json'], ['content-encoding', 'gzip'], ['x-request-id', 'an-id'])],
  [1, oneOf(['expect', '100-continue'], ['expect', 'tea'], ['upgrade', 'h2c'], ['trailer', 'authorization'])],
  [1, oneOf(['accept-version', '9'], ['if-none-match', '*'], ['range', 'bytes=0-1'], ['constructor', 'x'])],
  [1, oneOf(['x-http-method-override', 'DELETE'], ['x-original-url', '/secret/a%2Fb'])],
)
const hosts = weighted<Request['headers']>(
  [20, constant([['Host', 'x']])],
  [1, constant([])],
  [
    1,
    constant([
      ['Host', 'x'],
      ['host', 'y'],
    ]),
  ],
)
const smuggled = `GET /secret HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`

/** Requests that get a response each. Their heads are within the size limit. */
export const wellFormed: fc.Arbitrary<Request> = fc
  .record({
    // Without CONNECT: the service closes the connection without a response.
    method: weighted(
      [4, oneOf('GET', 'GET', 'HEAD', 'POST')],
      [1, oneOf(...METHODS.filter((method) => method !== 'CONNECT'))],
    ),
    target,
    headers: fc.tuple(hosts, fc.array(header, { maxLength: 5 })).map((parts) => parts.flat()),
    body: weighted(
      [5, constant(undefined)],
      [2, fc.string({ unit: byte })],
      [1, oneOf('{}', '{"__proto__":{}}', smuggled, 'x'.repeat(16_384), 'x'.repeat(16_385))],
    ),
    chunked: fc.boolean(),
  })
  .filter((request) => bytesOf({ ...request, body: undefined }).length < 12_000)

/** Well-formed requests whose responses all have a body of their `Content-Length`. */
export const withoutHead = wellFormed.filter(({ method }) => method !== 'HEAD')

/** Malformed requests that can be recognized before the end of their head. */
export const malformed = weighted(
  [
    1,
    oneOf(
      'get / HTTP/1.1',
      'GETS / HTTP/1.1',
      'GET x HTTP/1.1',
      'GET / HTTP/3.0',
      'GET / \r\n',
      'GET /a b HTTP/1.1',
    ).map((line) => `${line}\r\nhost: x\r\n\r\n`),
  ],
  [
    1,
    oneOf(
      'host : x',
      'host',
      'x: \0',
      'h\xf6st: x',
      'x: y\rz',
      'content-length: x',
      'content-length: -1',
      'content-length: 1\r\ncontent-length: 2',
      'content-length: 5\r\ntransfer-encoding: chunked',
    ).map((line) => `POST / HTTP/1.1\r\n${line}\r\n\r\n`),
  ],
  [1, oneOf('GET / HTTP/1.1\nhost: x\n\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '\x16\x03\x01\x02\0')],
  [1, oneOf(`/${'x'.repeat(17_000)}`, `/?${'%'.repeat(20_000)}`).map((target) => `GET ${target} HTTP/1.1\r\n\r\n`)],
  [1, fc.string({ unit: byte }).map((text) => `!${text}\r\n\r\n`)],
)

const change = fc.record({
  at: fc.nat(),
  remove: fc.nat(3),
  insert: weighted(
    [1, fc.string({ unit: byte, maxLength: 3 })],
    [1, oneOf('\r', '\n', '\r\n', '\r\n\r\n', '\0', ' ', '\t', ':', 'chunked', '0\r\n\r\n', 'Content-Length: 1\r\n')],
  ),
})
const withoutToken = withoutHead.map((request) => ({
  ...request,
  headers: request.headers.filter(([name]) => name.toLowerCase() !== 'authorization'),
  body: request.body === smuggled ? '' : request.body,
}))

/** Arbitrary bytes, or requests without a token with bytes inserted and removed. */
export const soup = weighted(
  [1, fc.string({ unit: byte, minLength: 1 })],
  [
    3,
    fc
      .tuple(fc.array(withoutToken, { minLength: 1, maxLength: 3 }), fc.array(change, { maxLength: 4 }))
      .map(([requests, changes]) => {
        let bytes = requests.map((request) => bytesOf(request)).join('')
        for (const { at, remove, insert } of changes) {
          const position = at % bytes.length
          bytes = bytes.slice(0, position) + insert + bytes.slice(position + remove)
        }
        return bytes
      }),
  ],
)
