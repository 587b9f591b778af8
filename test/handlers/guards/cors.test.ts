/** The plugin in docs/WRITE-A-PLUGIN.md that answers preflight requests, with tokens configured. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { authentication } from '../../../src/handlers/guards/authentication.ts'
import { loadShedding } from '../../../src/handlers/guards/load-shedding.ts'
import { adminRoutes } from '../../../src/handlers/routes/admin.ts'
import type { Plugin } from '../../../src/runtime/plugins/plugin.ts'
import { Sensitive } from '../../../src/secret.ts'
import { clients } from '../../../src/sources/clients/clients.ts'
import { pluginContext } from '../../../src/testing/plugin-context.ts'
import { fetchReply, parseProblem, startHttp } from '../../support/http/http.ts'
import { snippetsIn } from '../../support/project/snippets.ts'

const document = 'docs/WRITE-A-PLUGIN.md'
const text = readFileSync(new URL(`../../../${document}`, import.meta.url), 'utf8')
const code = snippetsIn(document, text).find(({ file }) => file?.endsWith('cors.mjs'))?.code ?? ''
interface CorsModule {
  readonly options: {
    readonly origin: { readonly type: 'origin'; readonly describe: string; readonly repeatable: true }
  }
  readonly default: Plugin<CorsModule['options']>
}
const { default: cors, options }: CorsModule = await import(`data:text/javascript,${encodeURIComponent(code)}`)

const origin = 'https://app.example'
const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }

async function startAuthenticated() {
  return startHttp({
    'load-shedding': loadShedding(),
    clients: clients({ authToken: new Sensitive('token-1') }),
    authentication: authentication(),
    'admin-routes': adminRoutes(),
    cors: cors(await pluginContext({ 'cors-origin': origin }, { name: 'cors', options })), // after the authentication, as in the service
  })
}

describe('the documented plugin', () => {
  test('answers a preflight request without a token', async () => {
    const service = await startAuthenticated()

    const { status, headers } = await fetchReply(`${service.origin}/-/reload`, {
      method: 'OPTIONS',
      headers: { origin, ...preflight },
    })

    expect(status).toBe(204)
    expect(headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-headers': expect.stringContaining('authorization'),
      'access-control-allow-methods': expect.stringContaining('POST'),
      vary: 'origin',
    })
  })

  test('lets the page read the responses to requests with and without a token', async () => {
    const service = await startAuthenticated()
    const send = (headers: Record<string, string>) =>
      fetchReply(`${service.origin}/-/reload`, { method: 'POST', headers: { origin, ...headers } })

    const [served, refused] = [await send({ authorization: 'Bearer token-1' }), await send({})]

    expect(served).toMatchObject({ status: 200, headers: { 'access-control-allow-origin': origin } })
    expect(parseProblem(refused)).toMatchObject({ status: 401 })
    expect(refused.headers['access-control-allow-origin']).toBe(origin)
  })

  test.each([
    ['from another origin', { origin: 'https://evil.example', ...preflight }],
    ['without an origin', { ...preflight }],
    ['that is not a preflight request', { origin }],
  ])('leaves OPTIONS %s to the authentication', async (_, headers) => {
    const service = await startAuthenticated()

    const reply = await fetchReply(`${service.origin}/-/reload`, { method: 'OPTIONS', headers })

    expect(parseProblem(reply)).toMatchObject({ status: 401 })
  })
})
