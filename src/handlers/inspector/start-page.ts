/** `GET /`: links to the pages and endpoints for operators, as a page for browsers and as JSON for other clients. */
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import { prefersHtml } from '../pages/accept.ts'
import { ownFile, sendFile } from '../pages/static-files.ts'

interface Link {
  readonly path: string
  readonly text: string
}

const candidates: readonly Link[] = [
  { path: '/-/bus', text: 'Bus inspector: the calls between the subscribers, live' },
  { path: '/docs', text: 'API documentation' },
  { path: '/health', text: 'Liveness' },
  { path: '/ready', text: 'Readiness' },
  { path: '/metrics', text: 'Metrics for Prometheus' },
]

/** Adds the route, unless a subscriber has one for this path. */
export function addStartPage(app: FastifyInstance, { name, version }: ServiceInfo): void {
  // In a plugin of Fastify, which is loaded after those that subscribers have registered.
  app.register(async (app) => {
    const serves = (url: string) => app.hasRoute({ method: 'GET', url })
    if (serves('/')) return
    const vary = 'accept, accept-encoding'
    const links = () => candidates.filter(({ path }) => serves(path))
    const page = sendFile('.html', async () => pageWith({ name, version, links: links() }), { vary })

    const route = { config: { browser: true, needs: 'inspector' }, schema: { hide: true } } as const
    app.get('/', route, async (request, reply) => {
      if (prefersHtml(request.headers.accept)) return page(request, reply)
      // Relative, so that they work behind a proxy that adds a prefix.
      const hrefs = links().map(({ path, text }) => ({ href: path.slice(1), text }))
      return reply.headers({ 'cache-control': 'no-cache', vary }).send({ service: name, version, links: hrefs })
    })
  })
}

async function pageWith({ name, version, links }: { name: string; version: string; links: readonly Link[] }) {
  const items = links.map(({ path, text }) => `<li><a href="${path.slice(1)}">${path}</a> <span>${text}</span></li>`)
  const template = await readFile(ownFile('start.html'), 'utf8')
  const parts: Readonly<Record<string, string>> = { service: name, version: escaped(version), links: items.join('\n') }
  return Buffer.from(template.replace(/\{\{(\w+)\}\}/g, (all, part) => parts[part] ?? all))
}

/** A version is any text, unlike a name. */
function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
