/** `GET /openapi.json`: what the service answers, as OpenAPI has it. `GET /docs`: the same for people, and to be tried. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { httpRoutes } from '../../channels.ts'
import type { AddedRoute, ApiOptions } from '../openapi/document.ts'
import { lazy } from '../pages/lazy.ts'
import { ownFile, serveFiles } from '../pages/static-files.ts'
import { documentation, schema } from './docs.openapi.ts'

/** Where the package is: with the bundle of the image, beside it. */
const swaggerUi = (name: string) =>
  pathToFileURL(createRequire(import.meta.url).resolve(`@fastify/swagger-ui/static/${name}`))

export const docs =
  (options: ApiOptions): Subscriber =>
  (bus) => {
    const addRoutes = (app: FastifyInstance) => {
      const added = routesOf(app)
      // Made when it is first asked for, and loaded then what makes it: whoever asks for secrets need not wait for that.
      const document = lazy(async () => (await import('../openapi/document.ts')).apiDocument(added, options))

      app.get('/openapi.json', { schema, config: { browser: true, documentation } }, async (_request, reply) => {
        return reply
          .header('cache-control', 'no-cache')
          .header('x-content-type-options', 'nosniff')
          .send(await document())
      })

      serveFiles(app, {
        '/docs': ownFile('docs.html'),
        '/docs/docs.js': ownFile('docs.js'),
        '/docs/docs.css': ownFile('docs.css'),
        '/docs/swagger-ui-bundle.js': swaggerUi('swagger-ui-bundle.js'),
        '/docs/swagger-ui.css': swaggerUi('swagger-ui.css'),
      })
    }

    // First of all, since a server tells of those routes alone that are added from then on.
    bus.subscribe(httpRoutes, addRoutes, { priority: 0 })
  }

/** The routes that are added from now on. Another of the same path is for another host or version, which no document tells apart. */
function routesOf(app: FastifyInstance): readonly AddedRoute[] {
  const added: AddedRoute[] = []
  app.addHook('onRoute', function ({ method: methods, url, schema = {}, config = {} }) {
    for (const method of [methods].flat()) {
      const isKnown = added.some((route) => route.method === method && route.url === url)
      if (!isKnown) added.push({ method, url, schema, config, instance: this })
    }
  })
  return added
}
