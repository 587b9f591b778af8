/**
 * The JSON schema of the document of clients. Each description completes "must be" in an error message.
 * `docs/clients.schema.json` is a copy.
 */

/** `b64token` of https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
export const bearerTokenPattern = '[A-Za-z0-9_.~+/-]+=*'

const listOf = <Items extends object>(what: string, items: Items) =>
  ({ description: `a list of at least one ${what}`, type: 'array', minItems: 1, items }) as const

const client = {
  description: 'a client: an object with a name, and tokens or certificates',
  type: 'object',
  required: ['name'],
  anyOf: [{ required: ['tokens'] }, { required: ['certificates'] }],
  additionalProperties: false,
  properties: {
    name: {
      description:
        'a name of 1 to 100 letters, digits and _ . : @ / - that begins with a letter or digit, but not other',
      type: 'string',
      pattern: '^(?!other$)[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,99}$',
    },
    tokens: listOf('token', {
      description: 'sha256: and the 64 hexadecimal digits of the hash of a bearer token, or the bearer token',
      type: 'string',
      pattern: `^(sha256:[0-9A-Fa-f]{64}|${bearerTokenPattern})$`,
    }),
    certificates: listOf('identity of a client certificate', {
      description: 'an identity of a client certificate: a SAN URI, a DNS name, or the common name of the subject',
      type: 'string',
      minLength: 1,
      maxLength: 1024,
    }),
    secrets: listOf('code name', {
      description: 'a code name of 1 to 2048 characters, in which * stands for any characters',
      type: 'string',
      minLength: 1,
      maxLength: 2048,
    }),
    may: listOf('right', {
      description: 'a right: secrets, metrics, reload, docs, inspector, or one that a plugin declares',
      type: 'string',
    }),
    // The smallest rate bounds `Retry-After`.
    rate: { description: 'a number of requests per second of at least 0.001', type: 'number', minimum: 0.001 },
  },
} as const

export const clientsSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Clients',
  description: 'an object with the member clients',
  type: 'object',
  required: ['clients'],
  additionalProperties: false,
  properties: {
    $schema: { description: 'the location of this schema', type: 'string' },
    clients: listOf('client', client),
  },
} as const
