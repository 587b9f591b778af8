/** Malformed and hostile requests, as bytes. */
import fc from 'fast-check'
import type { Sent } from './exchange.ts'

export interface Target {
  readonly paths: readonly string[]
  /** A valid token. */
  readonly token: string
  /** Texts to insert in places where they do not belong. */
  readonly strays: readonly string[]
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'QUERY', 'STEAL']

/** Generates the requests; the same ones on every call. */
export function malformedRequests({ paths, token, strays }: Target): Sent[] {
  const access = `authorization: Bearer ${token}`
  const whole = [
    ...methods.flatMap((method) => paths.map((path) => request(`${method} ${path}`, access))),
    ...strays.flatMap((stray) => [
      ...strayUrls(stray).flatMap((url) => [request(`GET ${url}`, access), request(`GET ${url}`)]),
      ...strayHeaders(stray).flatMap((header) => [
        request('GET /secret', access, header),
        request('GET /secret', header),
        request('POST /-/reload', header),
      ]),
      ...strayBodies(stray).flatMap((body) => [`POST /-/reload ${body}`, `POST /secret ${body}`]),
      ...garbage(stray),
    ]),
  ]
  return [
    ...whole.map((text) => ({ bytes: Buffer.from(text) })),
    ...strays.flatMap(unfinished).map((text) => ({ bytes: Buffer.from(text), hangsUp: true })),
    ...mutations(request('GET /secret/thedoctor?a=b', access)).map((bytes) => ({ bytes })),
  ]
}

function request(target: string, ...headers: string[]): string {
  return `${target} HTTP/1.1\r\n${['host: x', 'connection: close', ...headers].join('\r\n')}\r\n\r\n`
}

/** The text in valid and invalid URLs. It never replaces a code name, because code names are logged on purpose. */
function strayUrls(stray: string): string[] {
  const encoded = encodeURIComponent(stray)
  return [
    `/secret?token=${encoded}`,
    `/secret?${encoded}`,
    `/secret/thedoctor?access_token=${encoded}&a[]=1&__proto__=2`,
    `/health?${stray.replaceAll(/[^!-~]/g, '')}`,
    `/secret#${encoded}`,
    `/${encoded}`,
    `/health/${encoded}`,
    `/secret/thedoctor/${encoded}`,
    `/%zz${encoded}`,
    `/secret/%zz${encoded}`,
    `/secret/%E0%A4%A${encoded}?${encoded}`,
    `/secret/${'x'.repeat(2_100)}${encoded}`,
    `//${encoded}@x/secret`,
    `http://user:${encoded}@x/secret`,
    `/../../${encoded}`,
    `/secret;${encoded}`,
    `/-/${encoded}`,
    stray,
  ]
}

function strayHeaders(stray: string): string[] {
  const encoded = encodeURIComponent(stray)
  return [
    ...[
      'cookie: session=',
      'x-api-key: ',
      'proxy-authorization: Bearer ',
      'referer: http://x/',
      'user-agent: ',
      'x-forwarded-for: ',
      'forwarded: for=',
      'origin: ',
      'host: ',
      'if-none-match: ',
      'range: bytes=',
      'accept: ',
      'accept-encoding: ',
      'accept-version: ',
      'expect: ',
      'upgrade: ',
      'te: ',
      'traceparent: ',
      'x-request-id: not valid ',
      'authorization: ',
      'authorization: Basic ',
      'authorization: Bearer wrong',
      'authorization: Bearer two parts ',
    ].map((header) => header + stray),
    `x-${encoded}: 1`,
    `${stray}: 1`,
    `x-folded: a\r\n ${stray}`,
    `x-long: ${stray.repeat(700)}`,
    `transfer-encoding: ${stray}`,
    `content-length: ${stray}`,
  ]
}

/** The rest of a request, from the HTTP version in the request line on. */
function strayBodies(stray: string): string[] {
  const sized = (type: string, body: string) =>
    ` HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  return [
    sized('application/json', JSON.stringify({ stray })),
    sized('application/json', `{"stray":"${stray}`),
    sized('text/plain', stray),
    sized('application/x-www-form-urlencoded', `stray=${encodeURIComponent(stray)}`),
    sized(`application/${stray}`, 'x'),
    sized('application/json', JSON.stringify({ stray: stray.repeat(1_000) })),
    ` HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${stray}\r\n`,
    ` HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\ncontent-length: 10\r\n\r\n${stray}`,
  ].map((rest) => rest.slice(1))
}

function garbage(stray: string): string[] {
  return [
    stray,
    `${stray}\r\n\r\n`,
    `${stray} /secret HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET ${stray} HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET /secret ${stray}\r\nhost: x\r\n\r\n`,
    `GET /secret HTTP/9.9\r\nx: ${stray}\r\n\r\n`,
    `GET /secret HTTP/1.1\r\nx: ${stray}\r\n\r\n`,
    `GET /secret HTTP/1.1\r\nhost: x\r\nx: ${stray}\n\nx`,
    `GET /secret HTTP/1.1\r\nhost: x\r\nx: \0${stray}\r\n\r\n`,
    `GET /secret HTTP/1.1\r\nhost: x\r\n${'x: y\r\n'.repeat(2_500)}x: ${stray}\r\n\r\n`,
    `GET /${'x'.repeat(17_000)}${stray} HTTP/1.1\r\nhost: x\r\n\r\n`,
    `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${stray}`,
    `\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003${stray}`,
    `POST /secret HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc${stray}`,
    `GET /secret HTTP/1.1\r\nhost: x\r\n\r\n${stray}`,
  ]
}

/** Incomplete requests. */
function unfinished(stray: string): string[] {
  return [
    `GET /secret HTTP/1.1\r\nhost: x\r\nx: ${stray}`,
    `GET /secret?${encodeURIComponent(stray)}`,
    `POST /-/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n${stray}`,
    `POST /secret HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n100\r\n${stray}`,
  ]
}

/** Variants of a valid request with one to three bytes changed, each followed by an empty line. */
function mutations(valid: string): Buffer[] {
  const changes = fc.array(fc.record({ at: fc.nat(valid.length - 1), to: fc.nat(255) }), { minLength: 1, maxLength: 3 })
  return fc.sample(changes, { numRuns: 100, seed: 1963 }).map((some) => {
    const bytes = Buffer.from(`${valid}\r\n\r\n`)
    for (const { at, to } of some) bytes[at] = to
    return bytes
  })
}
