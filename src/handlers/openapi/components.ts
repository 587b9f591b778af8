/** What replies have in common, in the words of OpenAPI: https://spec.openapis.org/oas/v3.1.1.html#components-object. */

/** The id of a request, in examples. */
export const exampleId = '0b6f3a1e4a514c8e-1f'

export const requestIdParameter = {
  name: 'X-Request-Id',
  in: 'header',
  description: 'Is kept as the id of the request, in the reply and in the log, if it can stand anywhere as it is.',
  required: false,
  schema: { type: 'string', examples: [exampleId] },
}

/** The headers of replies, as OpenAPI has them. One that is not required says when it is there. */
export const headers = {
  'X-Request-Id': {
    description: "The id of the request: the client's own if it can stand anywhere, else a new one.",
    required: true,
    schema: { type: 'string', pattern: '^[\\w.~+/=@-]{1,128}$' },
    example: exampleId,
  },
  'Cache-Control': {
    description:
      'That nobody keeps the reply: `no-store`. `no-cache` allows to keep it, if it is asked for again each time.',
    required: true,
    schema: { type: 'string', enum: ['no-store', 'no-cache'] },
    example: 'no-store',
  },
  'Cache-Status': {
    description: [
      'How the secret was answered (RFC 9211): from the cache (`hit`), where a negative `ttl` is that of a stale one; fetched for',
      'this request (`fwd=uri-miss`), or with the fetch of another (`collapsed`).',
    ].join(' '),
    required: true,
    schema: { type: 'string', pattern: '^secret-bus; (hit(; ttl=-?\\d+)?|fwd=uri-miss(; collapsed)?)$' },
    examples: {
      hit: { summary: 'From the cache', value: 'secret-bus; hit' },
      lifetime: { summary: 'From the cache, for 57 seconds more', value: 'secret-bus; hit; ttl=57' },
      miss: { summary: 'Fetched for this request', value: 'secret-bus; fwd=uri-miss' },
      collapsed: { summary: 'Fetched for another request', value: 'secret-bus; fwd=uri-miss; collapsed' },
    },
  },
  'Retry-After': {
    description: 'When to ask again, in seconds. It comes with 503, and elsewhere if it is known.',
    schema: { type: 'integer', minimum: 1 },
    example: 1,
  },
  'WWW-Authenticate': {
    description:
      'How to say who one is: with a bearer token (RFC 6750); what a browser opens takes it as a password, too.',
    required: true,
    schema: {
      type: 'string',
      pattern: '^Bearer realm="secret-bus"(, error="invalid_token")?(, Basic realm="secret-bus", charset="UTF-8")?$',
    },
    examples: {
      none: { summary: 'There is no token', value: 'Bearer realm="secret-bus"' },
      unknown: { summary: 'The token is not known', value: 'Bearer realm="secret-bus", error="invalid_token"' },
      browser: {
        summary: 'A browser may open it',
        value: 'Bearer realm="secret-bus", Basic realm="secret-bus", charset="UTF-8"',
      },
    },
  },
} as const

export type HeaderName = keyof typeof headers

/** https://www.rfc-editor.org/rfc/rfc9457#section-3.1 */
export const problemSchema = {
  type: 'object',
  description: 'What went wrong (RFC 9457).',
  required: ['type', 'title', 'status', 'detail', 'instance'],
  properties: {
    type: {
      type: 'string',
      format: 'uri',
      description: 'Tells problems apart; `about:blank` is what the status says.',
    },
    title: { type: 'string', description: 'The same, for people.' },
    status: { type: 'integer', minimum: 400, maximum: 599, description: 'The status of the reply.' },
    detail: { type: 'string', description: 'What can be said of it to a client.' },
    instance: { type: 'string', description: 'The id of the request, under which the log has the cause.' },
  },
}
