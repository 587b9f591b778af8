/** The OpenAPI document of routes: what their schemas say, what they say of their replies, and what all of them have in common. */
import swagger, { formatParamUrl } from '@fastify/swagger'
import fastify, { type FastifyContextConfig, type FastifyInstance, type FastifySchema } from 'fastify'
import { RequestError } from '../server/problem.ts'
import { type HeaderName, headers, problemSchema, requestIdParameter } from './components.ts'
import { type DocumentedProblem, type DocumentedReply, problemReply } from './route-documentation.ts'

/** What the document says of the service as a whole. */
export interface ApiOptions {
  readonly own: {
    readonly name: string
    readonly version: string
    readonly description: string
    readonly license: string
    readonly project: string
  }
  /** Whether routes need a token, but those that are open. */
  readonly guarded: boolean
}

/** A route, as somebody has added it. */
export interface AddedRoute {
  readonly method: string
  readonly url: string
  readonly schema: FastifySchema
  readonly config: FastifyContextConfig
  /** Knows what the schema refers to. */
  readonly instance: FastifyInstance
}

/** As much of it as is added to here. */
interface ApiDocument {
  readonly components: { readonly schemas?: object }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

interface Operation {
  parameters?: readonly object[]
  security?: readonly object[]
  responses: Readonly<Record<string, Response>>
}

interface Response {
  readonly description: string
  readonly headers?: object
  readonly content?: object
}

const tags = [
  { name: 'Secrets', description: 'What the service is there for.' },
  { name: 'Health', description: 'What orchestrators and load balancers ask. Open to anybody.' },
  { name: 'Operation', description: 'For those who run the service.' },
  { name: 'Documentation', description: 'What you read here.' },
]

const about = `Errors are problem details (RFC 9457): \`type\` tells them apart, and \`instance\` is the id of the request. \`HEAD\` is
answered wherever \`GET\` is.

What is refused before it comes to one of the operations is told in the same way, with the type \`about:blank\`: 400 for what
cannot be read as HTTP or as a path, 404 for a path and method where nothing is, 408 for a request that does not come whole in
time, 431 for a head that is too long. Who comes when far too many connections are open is told nothing.`

const bearerToken = {
  type: 'http',
  scheme: 'bearer',
  description: 'One of the tokens that the service was given (RFC 6750).',
} as const

/** @throws Error if the schema of a route cannot be described */
export async function apiDocument(added: readonly AddedRoute[], options: ApiOptions): Promise<object> {
  const { paths, components, ...document } = await describedBySchemas(added, options)
  for (const { method, url, config } of added) {
    const operation = paths[formatParamUrl(url)]?.[method.toLowerCase()]
    if (operation) complete(operation, config, options.guarded) // there is none where it is hidden
  }
  const schemas = { ...components.schemas, Problem: problemSchema }
  return {
    ...document,
    paths,
    components: { ...components, schemas, headers, parameters: { 'X-Request-Id': requestIdParameter } },
  }
}

/** The document as far as schemas go. It is made from a second app, which has the same routes and never listens. */
async function describedBySchemas(added: readonly AddedRoute[], { own, guarded }: ApiOptions): Promise<ApiDocument> {
  const app = fastify({ exposeHeadRoutes: false })
  app.setValidatorCompiler(() => () => true).setSerializerCompiler(() => () => '')
  await app.register(swagger, {
    stripBasePath: false,
    convertConstToEnum: false,
    refResolver: { buildLocalReference: ({ $id }, _uri, _fragment, index) => String($id ?? `schema-${index}`) },
    openapi: {
      openapi: '3.1.1',
      info: {
        title: own.name,
        version: own.version,
        description: `${own.description}.\n\n${about}`,
        license: { name: own.license, identifier: own.license },
      },
      externalDocs: { description: 'The project', url: own.project },
      servers: [{ url: '/', description: 'This service' }],
      tags,
      components: guarded ? { securitySchemes: { bearer: bearerToken } } : {},
      security: guarded ? [{ bearer: [] }] : [],
    },
  })
  for (const route of added) addRoute(app, route)
  await app.ready()
  const document: unknown = app.swagger()
  await app.close()
  return document as ApiDocument // it is told above which kind to make
}

function addRoute(app: FastifyInstance, { method, url, schema, config, instance }: AddedRoute): void {
  for (const [id, shared] of Object.entries(instance.getSchemas())) if (!app.getSchema(id)) app.addSchema(shared)
  if (!app.supportedMethods.includes(method)) return // nor does OpenAPI know it
  if (app.hasRoute({ method, url })) return // its parameters only have other names
  const { params } = config.documentation ?? {}
  app.route({ method, url, schema: { ...schema, ...(params && { params }) }, handler: async () => undefined })
}

/** Adds what the route says of its replies, and what it has in common with every other. */
function complete(operation: Operation, config: FastifyContextConfig, guarded: boolean): void {
  const { replies = [], problems = [] } = config.documentation ?? {}
  const failures = [...problems, ...commonProblems(config, guarded)].map(problemReply)
  const documented = Map.groupBy([...replies, ...failures], ({ status }) => status)
  operation.parameters = [...(operation.parameters ?? []), { $ref: '#/components/parameters/X-Request-Id' }]
  if (config.open) operation.security = []
  operation.responses = Object.fromEntries([
    ...Object.entries(operation.responses).map(([status, response]) => [status, withRequestId(response)]),
    ...Array.from(documented, ([status, some]) => [status, responseOf(some)]),
  ])
}

/** What may become of a request to any route. */
function commonProblems({ open = false }: FastifyContextConfig, guarded: boolean): DocumentedProblem[] {
  return [
    new RequestError(400, 'The request has no Host header.'),
    new RequestError(413, 'The body of the request is too long.'),
    new Error('what nobody foresaw'),
    ...(open ? [] : ['OVERLOADED' as const]),
    ...(open || !guarded ? [] : ['UNAUTHORIZED' as const]),
  ]
}

/** Replies of one status. */
function responseOf(replies: readonly DocumentedReply[]): Response {
  const names = new Set(replies.flatMap((reply) => reply.headers))
  const byMediaType = Map.groupBy(replies, ({ mediaType }) => mediaType)
  return withRequestId({
    description: replies.map(({ description }) => description).join('\n\n'),
    headers: Object.fromEntries(Array.from(names, (name) => [name, headerReference(name)])),
    content: Object.fromEntries(Array.from(byMediaType, ([mediaType, some]) => [mediaType, mediaTypeOf(some)])),
  })
}

function mediaTypeOf(replies: readonly DocumentedReply[]): object {
  const [schema, ...others] = new Set(replies.map((reply) => reply.schema))
  const examples = Object.assign({}, ...replies.map((reply) => reply.examples))
  return { schema: others.length > 0 ? { anyOf: [schema, ...others] } : schema, examples }
}

function withRequestId(response: Response): Response {
  return { ...response, headers: { 'X-Request-Id': headerReference('X-Request-Id'), ...response.headers } }
}

function headerReference(name: HeaderName): object {
  return { $ref: `#/components/headers/${name}` }
}
