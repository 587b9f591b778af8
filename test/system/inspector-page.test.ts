/** The bus inspector in a browser. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { hasBrowser, useBrowser } from '../support/http/browser.ts'
import { fetchReply } from '../support/http/http.ts'
import { startReadyService } from '../support/service/ready-service.ts'

/** Folder of the screenshots. `docs/inspector.png` is a copy of one of them. */
const screenshots = fileURLToPath(new URL('../../node_modules/.cache/secret-bus/screenshots', import.meta.url))

const inspected = (flags: Readonly<Record<string, string>> = {}) => startReadyService({ inspector: 'true', ...flags })

describe.runIf(hasBrowser)('the inspector in a browser', () => {
  const { openPage } = useBrowser()

  test('shows the topology', async () => {
    const { origin, bus } = await inspected()
    const { page, problems } = await openPage()

    await page.goto(`${origin}/-/bus`)
    await page.locator('#connection.live').waitFor()
    await page.locator('.channel').first().waitFor()

    const names = (kind: string) => page.locator(`#wiring .${kind} title`).allTextContents()
    const topology = bus.topology()
    const subscribers = topology.flatMap(({ usedBy, handlers }) => [...usedBy, ...handlers.map(({ name }) => name)])
    expect(new Set(await names('subscriber'))).toEqual(new Set(subscribers))
    expect((await names('channel')).toSorted()).toEqual(topology.map(({ channel }) => channel).toSorted())
    const lines = topology.reduce((sum, { usedBy, handlers }) => sum + usedBy.length + handlers.length, 0)
    expect(await page.locator('#wiring path').count()).toBe(lines)
    expect(await page.locator('#state').textContent()).toBe('STARTED')
    expect(problems).toEqual([])
  })

  test('shows calls and marks failures, without payloads', async () => {
    const { origin } = await inspected()
    const { page, problems } = await openPage()
    await page.goto(`${origin}/-/bus`)
    const row = (id: string) => page.locator('#messages li', { hasText: id })
    const channel = (name: string) =>
      page.locator('#wiring .channel', { has: page.locator(`title:text-is("${name}")`) })

    await fetchReply(`${origin}/secret`, { headers: { 'x-request-id': 'all-is-well' } })
    await row('all-is-well').first().waitFor()
    expect(await channel('secret.get').getAttribute('class')).not.toContain('failing')
    await fetchReply(`${origin}/secret/classified`, { headers: { 'x-request-id': 'not-there' } })
    const failed = row('not-there').filter({ hasText: 'secret.get' })
    await failed.waitFor()

    expect(await failed.getAttribute('class')).toBe('failed')
    expect(await failed.textContent()).toContain('SECRET_NOT_FOUND')
    expect(await row('all-is-well').first().getAttribute('class')).toBe('')
    expect(await channel('secret.get').getAttribute('class')).toContain('failing')
    expect(await channel('secret.get').textContent()).toContain('1 of 2 failed')
    expect(await page.content()).not.toMatch(/classified|the secret of|thedoctor/)
    expect(problems).toEqual([])
  })

  test('filters messages by channel and outcome, and pauses', async () => {
    const { origin } = await inspected()
    const { page } = await openPage()
    await page.goto(`${origin}/-/bus`)
    await fetchReply(`${origin}/secret/classified`)
    const shown = page.locator('#messages .what')
    const rows = () => shown.allTextContents()
    await page.locator('#messages .failed').waitFor()

    await page.locator('.channel', { has: page.locator('title:text-is("secret.get")') }).click()
    await expect.poll(rows).toEqual(['secret.get → secret-cache'])
    expect(await page.locator('#chosen').textContent()).toContain('Requested by: secret-routes')
    await page.locator('#channel').selectOption('secret.fetch')
    await expect.poll(rows).toEqual(['secret.fetch → dynamodb'])
    await page.locator('#failures').check()
    await expect.poll(rows).toEqual([])
    await page.locator('#channel').selectOption('')
    await expect.poll(rows).toEqual(['secret.get → secret-cache'])

    await page.locator('#pause').click()
    await fetchReply(`${origin}/secret/classified`)
    const counted = page.locator('.channel.failing .numbers')
    await expect.poll(() => counted.textContent()).toBe('2 of 2 failed') // received, but not shown
    expect(await rows()).toHaveLength(1)
    await page.locator('#pause').click()
    await expect.poll(rows).toHaveLength(2)
  })

  test('reconnects after a response that is not a stream', async () => {
    const { origin } = await inspected()
    const { page } = await openPage()
    await page.route('**/events', (route) => route.fulfill({ status: 503 }), { times: 1 })

    await page.goto(`${origin}/-/bus`)
    await page.locator('#connection:not(.live)', { hasText: 'reconnecting' }).waitFor()

    await page.locator('#connection.live').waitFor()
    await page.locator('#state.STARTED').waitFor()
  })

  test('shows that the process stops, and that the connection is lost', async () => {
    const { origin, bus } = await inspected({ drain: '500ms' })
    const { page } = await openPage()
    await page.goto(`${origin}/-/bus`)
    await page.locator('#state.STARTED').waitFor()

    await page.evaluate(`
      states = []
      new MutationObserver(() => states.push(document.querySelector('#state').textContent))
        .observe(document.querySelector('#state'), { childList: true })
    `)
    await bus.exit()

    await page.locator('#connection:not(.live)', { hasText: 'reconnecting' }).waitFor()
    expect(await page.evaluate('states')).toEqual(['STOPPING', '…'])
  })

  test('fits a desktop and a phone, in light and dark mode', async () => {
    const { origin } = await inspected()
    mkdirSync(screenshots, { recursive: true })
    const { page, problems } = await openPage({ reducedMotion: 'reduce' })
    await page.goto(`${origin}/-/bus`)
    for (const path of ['/secret', '/ready', '/secret/unknown', '/secret']) await fetchReply(origin + path)
    await page.locator('#messages .failed').first().waitFor()
    const sizes = { desktop: { width: 1400, height: 980 }, phone: { width: 390, height: 844 } }

    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport)
      const wanted = () => page.evaluate('String(document.querySelector("#wiring").clientWidth)')
      const drawn = () => page.evaluate('document.querySelector("#wiring svg").getAttribute("viewBox").split(" ")[2]')
      await expect.poll(async () => (await drawn()) === (await wanted())).toBe(true)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(viewport.width)
      const overflowing = await page.evaluate(`[...document.querySelectorAll('#wiring g')].filter((group) =>
        group.querySelector('.name').getComputedTextLength() > group.querySelector('rect').getBBox().width).length`)
      expect(overflowing).toBe(0)
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        await page.screenshot({ path: join(screenshots, `inspector-${size}-${colorScheme}.png`) })
      }
    }
    expect(problems).toEqual([])
  })
})
