/** Builds the OpenAPI document from the routes' schemas, their documented replies, and the replies common to all. */
import swagger, { formatParamUrl } from '@fastify/swagger'
import fastify, { type FastifyContextConfig, type FastifyInstance, type FastifySchema } from 'fastify'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import type { Problems } from '../server/problem.ts'
import { RequestError } from '../server/request-error.ts'
import { type HeaderName, headersOf, problemSchema, requestIdParameter } from './components.ts'
import { type DocumentedProblem, type DocumentedReply, problemReply } from './route-documentation.ts'
import { type SecurityOptions, securityOf, securitySchemesOf } from './security.ts'

/** The properties of the service as a whole. */
export interface ApiOptions extends SecurityOptions {
  readonly service: ServiceInfo
}

/** A route of the running server. */
export interface AddedRoute {
  readonly method: string
  readonly url: string
  readonly schema: FastifySchema
  readonly config: FastifyContextConfig
  /** Contains the shared schemas that `schema` refers to. */
  readonly instance: FastifyInstance
}

/** The parts of the generated document that this module completes. */
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
  { name: 'Health', description: 'Health checks for orchestrators and load balancers. No token required.' },
  { name: 'Operations', description: 'Monitoring and administration.' },
  { name: 'Documentation', description: 'This document.' },
]

const about = `Errors are problem details (RFC 9457): \`type\` identifies the problem, \`instance\` is the request id.
Every \`GET\` operation also supports \`HEAD\`, and every path \`OPTIONS\`.

Requests that are rejected before they reach an operation get the same format with type \`about:blank\`: 400 for
malformed HTTP or a malformed path, 404 for an unknown path, 405 for an unsupported method, 408 for a request that is
not received completely in time, and 431 for a request head that is too large. Above the limit on open connections, new
connections are closed without a response.`

/** @throws Error if the schema of a route is invalid or has an unresolvable reference */
export async function apiDocument(added: readonly AddedRoute[], options: ApiOptions): Promise<object> {
  const { paths, components, ...document } = await describedBySchemas(added, options)
  for (const { method, url, schema, config } of added) {
    const operation = paths[formatParamUrl(url)]?.[method.toLowerCase()]
    if (operation) complete(operation, { schema, config }, options) // hidden routes have none
  }
  const schemas = { ...components.schemas, Problem: problemSchema }
  const responses = problemResponses(options.problems)
  const used = JSON.stringify({ paths, responses })
  const headers = Object.entries(headersOf(options.service)).filter(([name]) => used.includes(`/headers/${name}"`))
  const securitySchemes = securitySchemesOf(options)
  return {
    ...document,
    security: securityOf(options),
    tags: usedTags(added),
    paths,
    components: {
      ...(Object.keys(securitySchemes).length > 0 && { securitySchemes }),
      ...components,
      schemas,
      headers: Object.fromEntries(headers),
      ...(Object.keys(responses).length > 0 && { responses }),
      parameters: { 'X-Request-Id': requestIdParameter },
    },
  }
}

/** The problem types that subscribers declare, whether or not a route documents them. */
function problemResponses(problems: Problems): Record<string, Response> {
  return Object.fromEntries(Array.from(problems.declared, (code) => [code, responseOf([problemReply(code, problems)])]))
}

/** The tags that operations use, those of routes first. */
function usedTags(added: readonly AddedRoute[]): readonly object[] {
  const own = added.flatMap(({ config }) => config.documentation?.tag ?? [])
  const used = new Set(added.flatMap(({ schema }) => schema.tags ?? []))
  const byName = new Map([...own, ...tags.filter(({ name }) => used.has(name))].map((tag) => [tag.name, tag]))
  return [...byName.values()]
}

/** Generates the document from the schemas alone, with a second app that has the same routes and never listens. */
async function describedBySchemas(added: readonly AddedRoute[], { service }: ApiOptions): Promise<ApiDocument> {
  const app = fastify({ exposeHeadRoutes: false })
  app.setValidatorCompiler(() => () => true).setSerializerCompiler(() => () => '')
  await app.register(swagger, {
    stripBasePath: false,
    convertConstToEnum: false,
    refResolver: { buildLocalReference: ({ $id }, _uri, _fragment, index) => String($id ?? `schema-${index}`) },
    openapi: {
      openapi: '3.1.1',
      info: {
        title: service.name,
        version: service.version,
        description: `${service.description ? `${service.description}.\n\n` : ''}${about}`,
        ...(service.license && { license: { name: service.license, identifier: service.license } }),
      },
      ...(service.homepage && { externalDocs: { description: 'The project', url: service.homepage } }),
      servers: [{ url: '.', description: 'This service' }], // relative, for proxies with a path prefix
      security: [], // for its place; see above
    },
  })
  for (const route of added) addRoute(app, route)
  await app.ready()
  const document: unknown = app.swagger()
  await app.close()
  return document as ApiDocument // `openapi` above selects OpenAPI 3
}

function addRoute(app: FastifyInstance, { method, url, schema, config, instance }: AddedRoute): void {
  for (const [id, shared] of Object.entries(instance.getSchemas())) if (!app.getSchema(id)) app.addSchema(shared)
  if (!app.supportedMethods.includes(method)) return // OpenAPI does not support it either
  if (app.hasRoute({ method, url })) return // differs only in its parameter names
  const { params, headers, tag } = config.documentation ?? {}
  const described = { ...(params && { params }), ...(headers && { headers }), ...(tag && { tags: [tag.name] }) }
  app.route({ method, url, schema: { ...schema, ...described }, handler: async () => undefined })
}

/** Adds the documented replies of the route, and the parameters and problems common to all routes. */
function complete(
  operation: Operation,
  { schema, config }: Pick<AddedRoute, 'schema' | 'config'>,
  options: ApiOptions,
): void {
  const { problems: types, guarded } = options
  const { replies = [], problems = [] } = config.documentation ?? {}
  const failures = [...problems, ...commonProblems(schema, config, guarded, types)].map((problem) =>
    problemReply(problem, types, config),
  )
  const documented = Map.groupBy([...replies, ...failures], ({ status }) => status)
  operation.parameters = [...(operation.parameters ?? []), { $ref: '#/components/parameters/X-Request-Id' }]
  if (config.open) operation.security = []
  else if (guarded && (config.needs !== undefined || config.browser)) operation.security = securityOf(options, config)
  operation.responses = Object.fromEntries([
    ...Object.entries(operation.responses).map(([status, response]) => [status, withRequestId(response)]),
    ...Array.from(documented, ([status, some]) => [status, responseOf(some)]),
  ])
}

/** The reply of Fastify to a request that does not match the schema of the route. */
function invalidRequest(part: string): DocumentedProblem {
  const error = new Error(`${part} must have required property 'name'`)
  return Object.assign(error, { statusCode: 400, code: 'FST_ERR_VALIDATION' })
}

/** Declared if the server requires client certificates, or verifies them. */
const certificateProblems = ['CLIENT_CERTIFICATE_REQUIRED', 'CLIENT_CERTIFICATE_INVALID']

/** The problems that may occur on any route. */
function commonProblems(
  { body, querystring, params, headers }: FastifySchema,
  { open = false, needs }: FastifyContextConfig,
  guarded: boolean,
  types: Problems,
): DocumentedProblem[] {
  const parts = Object.entries({ body, querystring, params, headers })
  const [validated] = parts.find(([, schema]) => schema !== undefined) ?? []
  return [
    ...(validated === undefined ? [] : [invalidRequest(validated)]),
    new RequestError(400, 'The Host header is missing.'),
    new RequestError(413, 'The request body is too large.'),
    new Error('unexpected'),
    ...(open ? [] : ['OVERLOADED' as const]),
    ...(open || !guarded ? [] : ['UNAUTHORIZED' as const]),
    ...(open ? [] : certificateProblems.filter((code) => types.typeOf(code))),
    ...(open || !guarded ? [] : ['RATE_LIMITED' as const]),
    ...(needs === undefined || !guarded ? [] : ['FORBIDDEN' as const]),
  ]
}

/** Combines the replies with the same status. */
function responseOf(replies: readonly DocumentedReply[]): Response {
  const names = new Set(replies.flatMap((reply) => reply.headers ?? []))
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
