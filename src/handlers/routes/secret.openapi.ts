/** The OpenAPI description of the secret routes. */

import type { ProblemDeclaration } from '../../channels.ts'
import type { DocumentedProblem, DocumentedReply } from '../openapi/route-documentation.ts'
import { RequestError } from '../server/request-error.ts'

const body = { type: 'object', required: ['secret_code'], properties: { secret_code: { type: 'string' } } }

const replies: DocumentedReply[] = [
  {
    status: 200,
    description: 'The secret.',
    mediaType: 'application/json',
    schema: body,
    examples: { secret: { summary: 'Secret', value: { secret_code: 'run' } } },
    headers: ['Age', 'Cache-Control', 'Cache-Status'],
  },
]

const problems: DocumentedProblem[] = [
  'SECRET_NOT_FOUND',
  'SOURCE_REFUSED',
  'SOURCE_UNAVAILABLE',
  'SOURCE_STARTING',
  'SOURCE_THROTTLED',
  'SOURCE_TIMEOUT',
  'BUS_REQUEST_TIMEOUT',
  'NOT_CACHED',
]

/** The problem types of the secret routes, where a missing secret is the subject of the request. */
export const secretProblems = {
  SECRET_NOT_FOUND: { status: 404, title: 'Secret not found', detail: 'The secret does not exist.' },
  SOURCE_REFUSED: {
    status: 502,
    title: 'Source refused',
    detail: 'The source refused to return the secret.',
    retryAfter: true,
  },
  NOT_CACHED: {
    status: 504,
    title: 'Not cached',
    detail: 'The cache has no secret that the request accepts with only-if-cached.',
  },
} satisfies Record<string, ProblemDeclaration>

const common = { response: { 200: body } }

const tag = { name: 'Secrets', description: 'Read secrets.' }

const codeName = { type: 'string', description: 'Key of the secret in the table.', examples: ['thedoctor'] }

/** https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1 */
const headers = {
  type: 'object',
  properties: {
    'Cache-Control': {
      type: 'string',
      description: [
        'Freshness that the request demands (RFC 9111). `no-cache`: a secret whose read began after the request came.',
        '`max-age=N`: a secret that is at most N seconds old. `max-stale` or `max-stale=N`: also one that is N seconds',
        'older, but never one that the service would not serve without the directive. `only-if-cached`: no read, but 504.',
        'A secret that was read less than the minimum refresh interval ago satisfies `no-cache` and `max-age`. Other',
        'directives are ignored.',
      ].join(' '),
      examples: ['no-cache', 'max-age=10', 'max-age=10, max-stale=60', 'only-if-cached'],
    },
  },
}

export const paths = {
  '/secret': {
    schema: {
      ...common,
      operationId: 'getSecret',
      summary: 'Get the first secret',
      description: 'Returns the secret of the first configured code name.',
    },
    config: { needs: 'secrets', problems: secretProblems, documentation: { tag, headers, replies, problems } },
  },
  '/secret/:codeName': {
    schema: {
      ...common,
      operationId: 'getSecretByCodeName',
      summary: 'Get a secret by code name',
      description:
        'Returns the secret of a configured code name. Any other name, and one outside of the scope of the client, is 404, without a read.',
    },
    config: {
      needs: 'secrets',
      problems: secretProblems,
      documentation: {
        tag,
        params: { type: 'object', properties: { codeName } },
        headers,
        replies,
        problems: [...problems, new RequestError(414, 'A path parameter is too long.')],
      },
    },
  },
} as const
