import { gunzipSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import { request } from 'undici'
import { describe, expect, test } from 'vitest'
import { httpRoutes } from '../../../src/channels.ts'
import { authentication } from '../../../src/handlers/guards/authentication.ts'
import { inspector } from '../../../src/handlers/inspector/inspector.ts'
import { docs } from '../../../src/handlers/routes/docs.ts'
import { healthRoutes } from '../../../src/handlers/routes/health.ts'
import { RequestError } from '../../../src/handlers/server/request-error.ts'
import { Sensitive } from '../../../src/secret.ts'
import { clients } from '../../../src/sources/clients/clients.ts'
import { identity } from '../../../src/sources/identity.ts'
import { fetchReply, parseProblem, startHttp } from '../../support/http/http.ts'
import { ownPackage } from '../../support/service/assemble-service.ts'

const token = 'classified'
const bearer = { authorization: `Bearer ${token}` }
const basic = { authorization: `Basic ${Buffer.from(`me:${token}`).toString('base64')}` }

type AddRoutes = (app: FastifyInstance) => unknown

/** Starts the documentation and these routes. */
const start = (addRoutes: AddRoutes = () => {}, options: { priority?: number } = {}) =>
  startHttp(
    {
      docs: docs(),
      routes: (bus) => bus.subscribe(httpRoutes, async (app) => void (await addRoutes(app)), options),
    },
    { service: ownPackage },
  )

/** The document of a server with these routes. */
async function documentOf(...args: Parameters<typeof start>) {
  const { origin } = await start(...args)
  const { status, body } = await fetchReply(`${origin}/openapi.json`)
  expect(status).toBe(200)
  return JSON.parse(body)
}

/** Starts some routes of the service with authentication. */
const startGuarded = () =>
  startHttp({
    docs: docs(),
    clients: clients({ authToken: new Sensitive(token) }),
    authentication: authentication(),
    identity: identity({}),
    'health-routes': healthRoutes(),
  })

const pages = ['/docs', '/docs/docs.js', '/docs/docs.css', '/docs/swagger-ui-bundle.js', '/docs/swagger-ui.css']

describe('the document', () => {
  test('is OpenAPI 3.1 with the metadata of the package, and is revalidated on each use', async () => {
    const { origin } = await start()

    const { headers, body } = await fetchReply(`${origin}/openapi.json`)

    expect(headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-cache',
    })
    expect(JSON.parse(body)).toMatchObject({
      openapi: '3.1.1',
      info: { title: ownPackage.name, version: ownPackage.version, license: { identifier: ownPackage.license } },
      externalDocs: { url: ownPackage.homepage },
      servers: [{ url: '.' }],
    })
    expect((await fetchReply(`${origin}/openapi.json`)).body).toBe(body)
  })

  test('omits security without authentication', async () => {
    const { security, components, paths } = await documentOf()

    expect(security).toEqual([])
    expect(components).not.toHaveProperty('securitySchemes')
    expect(Object.keys(paths['/openapi.json'].get.responses)).toEqual(['200', '400', '413', '500', '503'])
  })

  test('distinguishes authenticated from public routes', async () => {
    const { origin } = await startGuarded()

    const { security, components, paths } = JSON.parse(
      (await fetchReply(`${origin}/openapi.json`, { headers: bearer })).body,
    )

    expect(security).toEqual([{ bearer: [] }])
    expect(components.securitySchemes).toMatchObject({
      bearer: { type: 'http', scheme: 'bearer' },
      basic: { type: 'http', scheme: 'basic' },
    })
    expect(paths['/openapi.json'].get.security).toEqual([{ bearer: ['docs'] }, { basic: ['docs'] }])
    expect(Object.keys(paths['/openapi.json'].get.responses)).toEqual(expect.arrayContaining(['401', '403']))
    expect(paths['/health'].get.security).toEqual([])
    expect(Object.keys(paths['/health'].get.responses)).toEqual(['200', '400', '413', '500'])
  })
})

describe('a route of a plugin', () => {
  test('is documented with its schema and the responses common to all routes', async () => {
    const params = { type: 'object', properties: { name: { type: 'string', description: 'Name of the person.' } } }
    const response = { 200: { description: 'A greeting.', type: 'string' } }
    const schema = { summary: 'Greet', tags: ['Greetings'], params, response }

    const { paths } = await documentOf((app) => app.get('/greeting/:name', { schema }, async () => 'Hello'))

    const { responses, ...operation } = paths['/greeting/{name}'].get
    expect(operation).toEqual({
      summary: 'Greet',
      tags: ['Greetings'],
      parameters: [
        { in: 'path', name: 'name', description: 'Name of the person.', required: true, schema: { type: 'string' } },
        { $ref: '#/components/parameters/X-Request-Id' },
      ],
    })
    expect(Object.keys(responses)).toEqual(['200', '400', '413', '500', '503'])
    expect(responses[200]).toMatchObject({ description: 'A greeting.' })
    expect(responses[503].content['application/problem+json'].examples).toHaveProperty('overloaded')
    for (const { headers } of Object.values<{ headers: object }>(responses))
      expect(headers).toHaveProperty('X-Request-Id')
  })

  test('is documented without a schema, too', async () => {
    const { paths } = await documentOf((app) => app.route({ method: ['GET', 'PUT'], url: '/x/:y', handler: () => 'x' }))

    expect(Object.keys(paths['/x/{y}'])).toEqual(['get', 'put'])
    expect(Object.keys(paths['/x/{y}'].put.responses)).toEqual(['200', '400', '413', '500', '503'])
  })

  test('may document its replies and problems, in addition to the common ones', async () => {
    const documentation = { problems: ['BUS_EXITING' as const, new RequestError(409, 'It already exists.')] }

    const { paths } = await documentOf((app) => app.put('/x', { config: { documentation } }, async () => 'x'))

    const examples = (status: number) => paths['/x'].put.responses[status].content['application/problem+json'].examples
    expect(Object.keys(examples(503))).toEqual(['stopping', 'overloaded'])
    expect(examples(409)).toMatchObject({ conflict: { value: { type: 'about:blank', detail: 'It already exists.' } } })
  })

  test('may refer to schemas of its encapsulation context', async () => {
    const { paths, components } = await documentOf(async (app) => {
      await app.register(
        async (scope) => {
          scope.addSchema({ $id: 'Greeting', type: 'object', properties: { words: { type: 'string' } } })
          scope.get('/greeting', { schema: { response: { 200: { $ref: 'Greeting#' } } } }, async () => ({ words: 'x' }))
        },
        { prefix: '/part' },
      )
    })

    const { schema } = paths['/part/greeting'].get.responses[200].content['application/json']
    expect(schema).toEqual({ $ref: '#/components/schemas/Greeting' })
    expect(components.schemas).toMatchObject({ Greeting: { properties: { words: { type: 'string' } } } })
  })

  test('is documented once if another host has a route with the same path', async () => {
    const { paths } = await documentOf((app) => {
      app.get('/x', { schema: { summary: 'One' } }, async () => 1)
      app.get('/x', { schema: { summary: 'Other' }, constraints: { host: 'example.com' } }, async () => 2)
    })

    expect(paths['/x'].get).toMatchObject({ summary: 'One' })
    expect(paths['/x'].get.parameters).toEqual([{ $ref: '#/components/parameters/X-Request-Id' }])
  })

  test('is omitted if OpenAPI does not support its method', async () => {
    const { paths } = await documentOf((app) => {
      app.addHttpMethod('PROPFIND')
      app.route({ method: 'PROPFIND', url: '/x', handler: async () => 1 })
      app.get('/y', async () => 2)
    })

    expect(Object.keys(paths)).toContain('/y')
    expect(Object.keys(paths)).not.toContain('/x')
  })

  test('is documented even if it is added first, unless it is hidden', async () => {
    const { paths } = await documentOf(
      (app) => {
        app.get('/early', async () => 1)
        app.get('/hidden', { schema: { hide: true } }, async () => 2)
      },
      { priority: 1 },
    )

    expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/early', '/openapi.json']))
    expect(Object.keys(paths)).not.toContain('/hidden')
  })
})

describe('routes for browsers', () => {
  test.for(['/openapi.json', ...pages])('%s requires a token, also accepted as a password', async (path) => {
    const { origin } = await startGuarded()
    const get = (headers = {}) => fetchReply(`${origin}${path}`, { headers })

    const rejection = await get()

    expect(parseProblem(rejection)).toMatchObject({ status: 401 })
    expect(rejection.headers['www-authenticate']).toMatch(/^Bearer .*, Basic /)
    expect((await get(bearer)).status).toBe(200)
    expect((await get(basic)).status).toBe(200)
  })

  test.for(pages)(
    '%s has a strict content security policy, and is compressed if the browser accepts it',
    async (path) => {
      const { origin } = await start()
      const get = async (coding: string) => {
        const { headers, body } = await request(`${origin}${path}`, { headers: { 'accept-encoding': coding } })
        return { headers, content: Buffer.from(await body.arrayBuffer()) }
      }

      const [plain, packed] = [await get('identity'), await get('gzip, br')]

      expect(plain.headers).not.toHaveProperty('content-encoding')
      expect(packed.headers).toMatchObject({
        'content-encoding': 'gzip',
        'content-security-policy': expect.stringMatching(/^default-src 'none'; script-src 'self'; style-src 'self';/),
        'x-content-type-options': 'nosniff',
      })
      expect(gunzipSync(packed.content).equals(plain.content)).toBe(true)
      expect(packed.content.length).toBeLessThan(plain.content.length)
    },
  )

  describe.for(pages)('%s', (path) => {
    const get = async (origin: string, headers: Record<string, string>, method: 'GET' | 'HEAD' = 'GET') => {
      const { statusCode: status, headers: received, body } = await request(`${origin}${path}`, { headers, method })
      return { status, headers: received, length: (await body.arrayBuffer()).byteLength }
    }

    test.for(['identity', 'gzip'])('is not sent again if it has not changed: %s', async (coding) => {
      const { origin } = await start()
      const first = await get(origin, { 'accept-encoding': coding })
      const etag = String(first.headers['etag'])
      expect(etag).toMatch(/^"[\w-]+"$/)

      for (const known of [etag, `W/${etag}`, `"other", ${etag}`, `"a,b" ,${etag} , W/"c"`, '*']) {
        const headers = { 'accept-encoding': coding, 'if-none-match': known }
        const { status, headers: received, length } = await get(origin, headers)
        expect({ status, length }, known).toEqual({ status: 304, length: 0 })
        const kept = ['etag', 'cache-control', 'vary']
        expect(kept.map((name) => received[name])).toEqual(kept.map((name) => first.headers[name]))
        expect((await get(origin, headers, 'HEAD')).status).toBe(304)
      }
      for (const unknown of ['"other"', etag.slice(0, -1), `x${etag}`, `${etag}x`, ''])
        expect((await get(origin, { 'accept-encoding': coding, 'if-none-match': unknown })).status).toBe(200)
    })

    test('has another ETag for each encoding, the same after a restart', async () => {
      const [first, second] = [await start(), await start()]
      const etagOf = async ({ origin }: { origin: string }, coding: string) =>
        (await get(origin, { 'accept-encoding': coding })).headers['etag']

      expect(await etagOf(first, 'gzip')).not.toBe(await etagOf(first, 'identity'))
      expect(await etagOf(second, 'gzip')).toBe(await etagOf(first, 'gzip'))
    })
  })

  test('are titled with the name of the service', async () => {
    const { origin } = await startHttp(
      { docs: docs(), inspector: inspector() },
      { service: { ...ownPackage, name: 'shop' } },
    )

    for (const path of ['/docs', '/-/bus']) {
      const { body } = await fetchReply(origin + path)
      expect(body).toContain('<title>shop: ')
      expect(body).not.toContain('secret-bus')
    }
  })

  test.for(['/openapi.json', '/docs'])('%s responds to HEAD with the headers of GET', async (path) => {
    const { origin } = await start()
    const headersOf = async (method: string) => {
      const { status, headers, body } = await fetchReply(`${origin}${path}`, { method })
      const perResponse = /^(date|x-request-id|connection|keep-alive)$/
      const others = Object.entries(headers).filter(([name]) => !perResponse.test(name))
      return { status, headers: Object.fromEntries(others), hasBody: body !== '' }
    }

    const got = await headersOf('GET')

    expect(await headersOf('HEAD')).toEqual({ ...got, hasBody: false })
  })
})
