/** The API documentation in a browser. */
import { createServer, request } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { violationsOf } from '../support/http/accessibility.ts'
import { hasBrowser, useBrowser } from '../support/http/browser.ts'
import { listen } from '../support/http/listen.ts'
import { startReadyService } from '../support/service/ready-service.ts'

const token = 'classified'

/** Serves the origin below `/prefix`, which it removes. */
async function behindPrefix(origin: string): Promise<string> {
  const proxy = createServer((incoming, outgoing) => {
    const path = /^\/prefix(\/.*)/.exec(incoming.url ?? '')?.[1]
    if (path === undefined) return void outgoing.writeHead(404).end('outside of the prefix')
    const { method, headers } = incoming
    const forwarded = request(origin + path, { method, headers }, (reply) => {
      outgoing.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(outgoing)
    })
    return void incoming.pipe(forwarded)
  })
  const { endpoint, close } = await listen(proxy)
  onTestFinished(close)
  return `${endpoint}/prefix`
}

describe.runIf(hasBrowser)('the API documentation in a browser', () => {
  const { openPage } = useBrowser()

  test('shows the operations in the preferred color scheme', async () => {
    const { origin } = await startReadyService({}, { SECRET_BUS_AUTH_TOKEN: token })
    const { page, problems } = await openPage({
      colorScheme: 'light',
      viewport: { width: 390, height: 844 },
      httpCredentials: { username: 'me', password: token },
    })
    const background = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor')

    await page.goto(`${origin}/docs`)
    await page.click('text=Get the OpenAPI document')

    await expect.poll(() => page.locator('.opblock-summary-path').allInnerTexts()).toContain('/health')
    await expect.poll(() => page.locator('.response-col_status').allInnerTexts()).toContain('401')
    const columns = await page.locator('table.headers td').evaluateAll((cells) => cells.map((cell) => cell.clientWidth))
    expect(Math.min(...columns)).toBeGreaterThan(300) // one column on a phone
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390)
    expect(await background()).toBe('rgba(0, 0, 0, 0)')
    await page.emulateMedia({ colorScheme: 'dark' })
    await expect.poll(background).toBe('rgb(28, 32, 34)')
    expect(problems).toEqual([])
  })

  test('adds no accessibility violation to those of Swagger UI', async () => {
    const { origin } = await startReadyService()
    const { page } = await openPage()

    await page.goto(`${origin}/docs`)
    await page.locator('.opblock').first().waitFor()

    const known = ['color-contrast', 'heading-order', 'nested-interactive', 'region']
    expect(
      (await violationsOf(page)).filter((violation) => !known.some((rule) => violation.startsWith(`${rule}:`))),
    ).toEqual([])
  })

  test('sends its requests below the path prefix of a proxy', async () => {
    const { origin } = await startReadyService()
    const base = await behindPrefix(origin)
    const { page, problems } = await openPage()

    await page.goto(`${base}/docs`)
    await page.click('#operations-Health-getHealth .opblock-summary-control')
    await page.click('#operations-Health-getHealth .try-out__btn')
    await page.click('#operations-Health-getHealth .execute')

    const url = page.locator('#operations-Health-getHealth .request-url pre')
    await expect.poll(() => url.innerText()).toBe(`${base}/health`)
    const status = page.locator('#operations-Health-getHealth .live-responses-table .response-col_status')
    await expect.poll(async () => (await status.allInnerTexts()).join()).toContain('200')
    expect(problems).toEqual([])
  })
})
