import { describe, expect, test } from 'vitest'
import type { ProcessBus } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../src/channels.ts'
import { inspector } from '../../../src/handlers/inspector/inspector.ts'
import { fetchReply, startHttp } from '../../support/http/http.ts'
import { assembleService } from '../../support/service/assemble-service.ts'
import { temporaryFile } from '../../support/temporary-file.ts'

const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

async function startService(flags: Readonly<Record<string, string>> = { inspector: 'true' }) {
  const { bus, origin } = await assembleService({ embedded: 'true', ...flags })
  await bus.start()
  return origin()
}

describe('GET /', () => {
  test('links to what the service serves', async () => {
    const origin = await startService()

    const { headers, body } = await fetchReply(`${origin}/`)
    const page = await fetchReply(`${origin}/`, { headers: browser })

    const { service, version, links } = JSON.parse(body)
    const hrefs: string[] = links.map(({ href }: { href: string }) => href)
    expect(hrefs).toEqual(['-/bus', 'docs', 'health', 'ready', 'metrics'])
    for (const href of hrefs) expect((await fetchReply(new URL(href, `${origin}/`).href)).status, href).not.toBe(404)
    expect(headers).toMatchObject({
      'content-type': expect.stringContaining('application/json'),
      vary: 'accept, accept-encoding',
    })
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': expect.stringContaining("default-src 'none'"),
      'x-content-type-options': 'nosniff',
      etag: expect.any(String),
      vary: 'accept, accept-encoding',
    })
    expect(page.body).toContain(`<title>${service} ${version}</title>`)
    expect(Array.from(page.body.matchAll(/<a href="([^"]+)"/g), ([, href]) => href)).toEqual(hrefs)
    expect(page.body).not.toMatch(/\{\{|https?:|<style|style=|onclick/)
  })

  test('links only to what exists, and escapes the version', async () => {
    const service = { name: 'orders', version: '1<b>' }
    const { origin } = await startHttp({ inspector: inspector() }, { service })

    const { version, links } = JSON.parse((await fetchReply(`${origin}/`)).body)
    const page = await fetchReply(`${origin}/`, { headers: browser })

    expect(version).toBe('1<b>')
    expect(links).toHaveLength(1)
    expect(page.body).toContain('<title>orders 1&#60;b&#62;</title>')
  })

  test('is 404 without the inspector', async () => {
    const origin = await startService({})

    expect((await fetchReply(`${origin}/`, { headers: browser })).status).toBe(404)
  })

  test('needs the right to use the inspector', async () => {
    const clients = [
      { name: 'watcher', tokens: ['w'], may: ['inspector'] },
      { name: 'reader', tokens: ['r'], may: ['docs', 'metrics'] },
    ]
    const origin = await startService({ inspector: 'true', clients: await temporaryFile(JSON.stringify({ clients })) })
    const statusWith = async (authorization: string) =>
      (await fetchReply(`${origin}/`, { headers: { ...browser, authorization } })).status

    expect(await statusWith('Bearer unknown')).toBe(401)
    expect(await statusWith('Bearer r')).toBe(403)
    expect(await statusWith('Bearer w')).toBe(200)
    expect(await statusWith(`Basic ${btoa('any:w')}`)).toBe(200)
  })

  const own = (app: { get(path: string, handler: () => Promise<string>): unknown }) =>
    void app.get('/', async () => 'own')
  const plugins: Record<string, (bus: ProcessBus) => void> = {
    'a subscriber': (bus) => void bus.subscribe(httpRoutes, own),
    'a plugin of Fastify': (bus) =>
      void bus.subscribe(httpRoutes, (app) => void app.register(async (app) => own(app)), { priority: 60 }),
  }
  test.for(Object.entries(plugins))('is left to %s that serves it', async ([, plugin]) => {
    const { origin } = await startHttp({ inspector: inspector(), plugin })

    expect((await fetchReply(`${origin}/`, { headers: browser })).body).toBe('own')
  })
})
