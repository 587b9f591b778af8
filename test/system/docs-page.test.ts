/** The API documentation in a browser. */
import { describe, expect, test } from 'vitest'
import { hasBrowser, useBrowser } from '../support/http/browser.ts'
import { readyService } from '../support/service/ready-service.ts'

const token = 'classified'

describe.runIf(hasBrowser)('the API documentation in a browser', () => {
  const { openPage } = useBrowser()

  test('shows the operations in the preferred color scheme', async () => {
    const { origin } = await readyService({}, { SECRET_BUS_AUTH_TOKEN: token })
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
})
