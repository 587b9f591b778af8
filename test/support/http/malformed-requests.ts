/** Malformed and hostile requests, as bytes. */
import fc from 'fast-check'
import type { Sent } from './exchange.ts'

export interface Target {
  readonly paths: readonly string[]
  /** A valid token. */
  readonly token: string
  /** Secrets to insert where they do not belong. */
  readonly secrets: readonly string[]
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'QUERY', 'STEAL']

/** Generates the requests; the same ones on every call. */
export function malformedRequests({ paths, token, secrets }: Target): Sent[] {
  const access = `authorization: Bearer ${token}`
  const whole = [
    ...methods.flatMap((method) => paths.map((path) => request(`${method} ${path}`, access))),
    ...secrets.flatMap((secret) => [
      ...urlsWith(secret).flatMap((url) => [request(`GET ${url}`, access), request(`GET ${url}`)]),
      ...headersWith(secret).flatMap((header) => [
        request('GET /secret', access, header),
        request('GET /secret', header),
        request('POST /-/reload', header),
      ]),
      ...bodiesWith(secret).flatMap((body) => [`POST /-/reload ${body}`, `POST /secret ${body}`]),
      ...garbage(secret),
    ]),
  ]
  return [
    ...whole.map((text) => ({ bytes: Buffer.from(text) })),
    ...secrets.flatMap(unfinished).map((text) => ({ bytes: Buffer.from(text), halfClose: true })),
    ...mutations(request('GET /secret/thedoctor?a=b', access)).map((bytes) => ({ bytes })),
  ]
}

function request(target: string, ...headers: string[]): string {
  return `${target} HTTP/1.1\r\n${['host: x', 'connection: close', ...headers].join('\r\n')}\r\n\r\n`
}

/** Valid and invalid URLs with the secret. It never replaces a code name, because code names are logged on purpose. */
function urlsWith(secret: string): string[] {
  const encoded = encodeURIComponent(secret)
  return [
    `/secret?token=${encoded}`,
    `/secret?${encoded}`,
    `/secret/thedoctor?access_token=${encoded}&a[]=1&__proto__=2`,
    `/health?${secret.replaceAll(/[^!-~]/g, '')}`,
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
    secret,
  ]
}

function headersWith(secret: string): string[] {
  const encoded = encodeURIComponent(secret)
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
    ].map((header) => header + secret),
    `x-${encoded}: 1`,
    `${secret}: 1`,
    `x-folded: a\r\n ${secret}`,
    `x-long: ${secret.repeat(700)}`,
    `transfer-encoding: ${secret}`,
    `content-length: ${secret}`,
  ]
}

/** The rest of a request, from the HTTP version in the request line on. */
function bodiesWith(secret: string): string[] {
  const sized = (type: string, body: string) =>
    ` HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  return [
    sized('application/json', JSON.stringify({ secret })),
    sized('application/json', `{"secret":"${secret}`),
    sized('text/plain', secret),
    sized('application/x-www-form-urlencoded', `secret=${encodeURIComponent(secret)}`),
    sized(`application/${secret}`, 'x'),
    sized('application/json', JSON.stringify({ secret: secret.repeat(1_000) })),
    ` HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${secret}\r\n`,
    ` HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\ncontent-length: 10\r\n\r\n${secret}`,
  ].map((rest) => rest.slice(1))
}

function garbage(secret: string): string[] {
  return [
    secret,
    `${secret}\r\n\r\n`,
    `${secret} /secret HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET ${secret} HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET /secret ${secret}\r\nhost: x\r\n\r\n`,
    `GET /secret HTTP/9.9\r\nx: ${secret}\r\n\r\n`,
    `GET /secret HTTP/1.1\r\nx: ${secret}\r\n\r\n`,
    `GET /secret HTTP/1.1\r\nhost: x\r\nx: ${secret}\n\nx`,
    `GET /secret HTTP/1.1\r\nhost: x\r\nx: \0${secret}\r\n\r\n`,
    `GET /secret HTTP/1.1\r\nhost: x\r\n${'x: y\r\n'.repeat(2_500)}x: ${secret}\r\n\r\n`,
    `GET /${'x'.repeat(17_000)}${secret} HTTP/1.1\r\nhost: x\r\n\r\n`,
    `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${secret}`,
    `\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003${secret}`,
    `POST /secret HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc${secret}`,
    `GET /secret HTTP/1.1\r\nhost: x\r\n\r\n${secret}`,
  ]
}

/** Incomplete requests. */
function unfinished(secret: string): string[] {
  return [
    `GET /secret HTTP/1.1\r\nhost: x\r\nx: ${secret}`,
    `GET /secret?${encodeURIComponent(secret)}`,
    `POST /-/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n${secret}`,
    `POST /secret HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n100\r\n${secret}`,
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
