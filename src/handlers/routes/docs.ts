/** `GET /openapi.json`: the OpenAPI document. `GET /docs`: the same document in Swagger UI. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { httpRoutes } from '../../channels.ts'
import { isAuthenticated } from '../guards/authentication.ts'
import type { AddedRoute } from '../openapi/document.ts'
import { undeclaredProblem } from '../openapi/route-documentation.ts'
import { lazy } from '../pages/lazy.ts'
import { ownFile, serveFiles } from '../pages/static-files.ts'
import { hookPriority } from '../server/hook-priority.ts'
import { Problems } from '../server/problem.ts'
import { InvalidProblem } from '../server/problem-types.ts'
import { documentationOf, schema } from './docs.openapi.ts'

/** The URL of a file in the Swagger UI package, which is not bundled: the image installs it next to the bundle. */
const swaggerUi = (name: string) =>
  pathToFileURL(createRequire(import.meta.url).resolve(`@fastify/swagger-ui/static/${name}`))

export interface DocsOptions {
  /** Whether only a token identifies a client, not a certificate; false by default. */
  readonly tokensOnly?: boolean
}

export const docs =
  ({ tokensOnly = false }: DocsOptions = {}): Subscriber =>
  (bus) => {
    const documentation = documentationOf(bus.service)
    const addRoutes = (app: FastifyInstance) => {
      const added = routesOf(app, Problems.of(app))
      // Built on the first request. The import is deferred as well, so that it does not slow down the start. A buffer,
      // so that all responses share its memory.
      const document = lazy(async () => {
        const { apiDocument } = await import('../openapi/document.ts')
        return Buffer.from(
          JSON.stringify(
            await apiDocument(added, {
              service: bus.service,
              problems: Problems.of(app),
              guarded: isAuthenticated(bus),
              tokensOnly,
            }),
          ),
        )
      })

      app.get(
        '/openapi.json',
        { schema, config: { browser: true, needs: 'docs', documentation } },
        async (_request, reply) => {
          return reply
            .header('cache-control', 'no-cache')
            .type('application/json; charset=utf-8')
            .send(await document())
        },
      )

      serveFiles(
        app,
        { service: bus.service.name, needs: 'docs' },
        {
          '/docs': ownFile('docs.html'),
          '/docs/docs.js': ownFile('docs.js'),
          '/docs/docs.css': ownFile('docs.css'),
          '/docs/swagger-ui-bundle.js': swaggerUi('swagger-ui-bundle.js'),
          '/docs/swagger-ui.css': swaggerUi('swagger-ui.css'),
        },
      )
    }

    // First, because the `onRoute` hook sees only the routes that are added after it.
    bus.subscribe(httpRoutes, addRoutes, { priority: hookPriority.documentation })
  }

/**
 * Collects the routes that are added from now on. Of several routes with the same method and path, which differ in host
 * or version, it keeps the first, because OpenAPI cannot distinguish them.
 */
function routesOf(app: FastifyInstance, problems: Problems): readonly AddedRoute[] {
  const added: AddedRoute[] = []
  app.addHook('onRoute', function ({ method: methods, url, schema = {}, config = {} }) {
    const undeclared = undeclaredProblem(config, problems)
    if (undeclared !== undefined)
      throw new InvalidProblem(`The route ${url} documents the problem ${undeclared}, which is not declared`)
    for (const method of [methods].flat()) {
      const isKnown = added.some((route) => route.method === method && route.url === url)
      if (!isKnown) added.push({ method, url, schema, config, instance: this })
    }
  })
  return added
}
