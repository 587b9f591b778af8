/** The shared parts of the OpenAPI document: https://spec.openapis.org/oas/v3.1.1.html#components-object. */

import type { ServiceInfo } from '../../bus/process/service-info.ts'

/** The request id in examples. */
export const exampleId = '0b6f3a1e4a514c8e-1f'

export const requestIdParameter = {
  name: 'X-Request-Id',
  in: 'header',
  description:
    'Request id for the response and the log; replaced if it does not match the pattern of the response header.',
  required: false,
  schema: { type: 'string', examples: [exampleId] },
}

/** The response headers. The description of an optional header states when it is present. */
export const headersOf = ({ name }: Pick<ServiceInfo, 'name'>) =>
  ({
    'X-Request-Id': {
      description: 'Request id: the one from the request if it is valid, otherwise a generated one.',
      required: true,
      schema: { type: 'string', pattern: '^[\\w.~+/=@:-]{1,128}$' },
      example: exampleId,
    },
    'Cache-Control': {
      description: '`no-store` forbids caching; `no-cache` requires revalidation before each use.',
      required: true,
      schema: { type: 'string', enum: ['no-store', 'no-cache'] },
      example: 'no-store',
    },
    Age: {
      description: 'Seconds since the read of the secret from the source began (RFC 9111).',
      required: true,
      schema: { type: 'string', pattern: '^\\d+$' },
      example: '12',
    },
    'Cache-Status': {
      description: [
        'How the cache handled the request (RFC 9211): `hit`, with a negative `ttl` if the secret is stale;',
        '`fwd` if it was fetched: `uri-miss` because there was none, `stale` because it was too old, `request` because a',
        'directive demanded it; `collapsed` if the fetch was shared with another request.',
      ].join(' '),
      required: true,
      schema: { type: 'string', pattern: `^${name}; (hit(; ttl=-?\\d+)?|fwd=(uri-miss|stale|request)(; collapsed)?)$` },
      examples: {
        hit: { summary: 'Cache hit', value: `${name}; hit` },
        lifetime: { summary: 'Cache hit, valid for 57 more seconds', value: `${name}; hit; ttl=57` },
        miss: { summary: 'Cache miss', value: `${name}; fwd=uri-miss` },
        collapsed: {
          summary: 'Cache miss, fetch shared with another request',
          value: `${name}; fwd=uri-miss; collapsed`,
        },
        request: { summary: 'Read because a directive of the request demanded it', value: `${name}; fwd=request` },
        stale: { summary: 'Cached secret too old', value: `${name}; fwd=stale` },
      },
    },
    'Retry-After': {
      description:
        'Delay before the next attempt, in seconds. Always present with 503; with other statuses, if the delay is known.',
      schema: { type: 'integer', minimum: 1 },
      example: 1,
    },
    'WWW-Authenticate': {
      description:
        'Authentication schemes: bearer token (RFC 6750); routes for browsers also accept it as an HTTP Basic password.',
      required: true,
      schema: {
        type: 'string',
        pattern: `^Bearer realm="${name}"(, error="(invalid_token|insufficient_scope)")?(, Basic realm="${name}", charset="UTF-8")?$`,
      },
      examples: {
        none: { summary: 'No token', value: `Bearer realm="${name}"` },
        unknown: { summary: 'Unknown token', value: `Bearer realm="${name}", error="invalid_token"` },
        forbidden: { summary: 'Missing right', value: `Bearer realm="${name}", error="insufficient_scope"` },
        browser: {
          summary: 'Route for browsers',
          value: `Bearer realm="${name}", Basic realm="${name}", charset="UTF-8"`,
        },
      },
    },
  }) as const

export type HeaderName = keyof ReturnType<typeof headersOf>

/** https://www.rfc-editor.org/rfc/rfc9457#section-3.1 */
export const problemSchema = {
  type: 'object',
  description: 'Problem details (RFC 9457).',
  required: ['type', 'title', 'status', 'detail', 'instance'],
  properties: {
    type: {
      type: 'string',
      format: 'uri',
      description: 'Identifies the type of problem; `about:blank` means that the status code describes it.',
    },
    title: { type: 'string', description: 'Summary of the type of problem.' },
    status: { type: 'integer', minimum: 400, maximum: 599, description: 'HTTP status code of the response.' },
    detail: { type: 'string', description: 'Explanation of this problem.' },
    instance: { type: 'string', description: 'Request id, for finding the cause in the log.' },
  },
}
