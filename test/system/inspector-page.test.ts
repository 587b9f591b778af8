/** The bus inspector in a browser. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { event } from '../../src/bus/channel.ts'
import { violationsOf } from '../support/http/accessibility.ts'
import { hasBrowser, useBrowser } from '../support/http/browser.ts'
import { fetchReply } from '../support/http/http.ts'
import { startReadyService } from '../support/service/ready-service.ts'

/** Folder of the screenshots. `docs/inspector.png` is a copy of one of them. */
const screenshots = fileURLToPath(new URL('../../node_modules/.cache/secret-bus/screenshots', import.meta.url))

const inspected = (flags: Readonly<Record<string, string>> = {}) => startReadyService({ inspector: 'true', ...flags })

/** Its calls have the ids that a test chooses. */
const checked = event<void>('checked')

async function inspectedWithListener() {
  // So that `no-cache` causes a read, however short a time ago the secret was loaded.
  const service = await inspected({ 'min-refresh-interval': '1ms' })
  service.bus.subscribe(checked, () => {}, { name: 'listener' })
  return service
}

/** Its requests for unknown secrets fail, instead of being refused. */
async function inspectedWithFailures() {
  const service = await inspected()
  service.bus.intercept(({ channel }, next) => {
    try {
      return next()
    } catch (error) {
      throw channel === 'secret.get' ? Object.assign(new Error('broken'), { code: 'STORE_BROKEN' }) : error
    }
  })
  return service
}

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
    const { origin } = await inspectedWithFailures()
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
    expect(await failed.textContent()).toContain('STORE_BROKEN')
    expect(await row('all-is-well').first().getAttribute('class')).toBe('')
    expect(await channel('secret.get').getAttribute('class')).toContain('failing')
    expect(await channel('secret.get').textContent()).toContain('1 of 2 failed')
    expect(await page.content()).not.toMatch(/classified|the secret of|thedoctor/)
    expect(problems).toEqual([])
  })

  test('filters messages by channel and outcome, and pauses', async () => {
    const { origin } = await inspectedWithFailures()
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

  test('shows the calls of the request of a selected message', async () => {
    const { origin, bus } = await inspectedWithListener()
    const { page, problems } = await openPage()
    await page.goto(`${origin}/-/bus`)
    const calls = () => page.locator('#request .calls .what').allTextContents()
    const trace = 'a'.repeat(32)
    const headers = {
      'x-request-id': 'selected',
      'cache-control': 'no-cache',
      traceparent: `00-${trace}-${'b'.repeat(16)}-01`,
    }

    await fetchReply(`${origin}/secret`, { headers })
    await page.locator('#messages button', { hasText: 'secret.fetch' }).filter({ hasText: 'selected' }).click()

    expect(await page.locator('#request-title').textContent()).toBe('Request selected')
    expect(await page.locator('#request .facts').textContent()).toMatch(
      new RegExp(`^\\d calls in .+ms · trace_id ${trace}$`),
    )
    const expected = ['secret.get → secret-cache', 'Level 2: secret.fetch → dynamodb', 'secret.accessed → audit-trail']
    await expect.poll(calls).toEqual([...expected, 'secret.accessed → access-metrics'])
    const numbers = await page.locator('#request .calls td').allInnerTexts()
    expect(numbers[0]).toBe('+0.00 ms')
    for (const number of numbers) expect(number).toMatch(/^\+?[\d.]+ m?s$/)
    expect(await page.locator('#request .note').textContent()).toBe('')
    const widths = await page
      .locator('#request .bar rect')
      .evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().width))
    expect(widths[0]).toBeGreaterThanOrEqual(widths[1] ?? 0)
    expect(Math.min(...widths)).toBeGreaterThan(0)

    await fetchReply(`${origin}/secret`, { headers: { 'x-request-id': 'selected' } }) // more calls with this id
    await expect.poll(calls).toHaveLength(7)
    await page.keyboard.press('Escape')
    expect(await page.locator('#request').isVisible()).toBe(false)

    for (let times = 0; times < 300; times += 1) await bus.publish(checked, undefined, { id: `noise ${times}` })
    await fetchReply(`${origin}/secret`, { headers: { 'x-request-id': 'selected' } })
    await page.reload()
    await page.locator('#messages button', { hasText: 'selected' }).first().click()
    await expect.poll(() => page.locator('#request .note').textContent()).toBe('7 earlier calls are not available.')
    expect(problems).toEqual([])
  })

  test('shows a failed call with its code, and background reads', async () => {
    const { origin } = await inspected()
    const { page, problems } = await openPage()
    await page.goto(`${origin}/-/bus`)

    await page.locator('#messages button', { hasText: 'load of secret' }).click()
    await expect
      .poll(() => page.locator('#request .calls .what').allTextContents())
      .toEqual(['lifecycle.state → secret-cache', 'Level 2: load of secret', 'Level 3: secret.fetch → dynamodb'])
    await fetchReply(`${origin}/secret/classified`, { headers: { 'x-request-id': 'not-there' } })
    await page.locator('#messages button', { hasText: 'not-there' }).last().click()

    await expect.poll(() => page.locator('#request tr .result').first().innerText()).toContain('SECRET_NOT_FOUND')
    expect(await page.locator('#request').innerText()).not.toMatch(/classified|thedoctor/)
    expect(problems).toEqual([])
  })

  test('is operated with the keyboard while messages arrive', async () => {
    const { origin, bus } = await inspectedWithListener()
    const { page } = await openPage()
    await page.goto(`${origin}/-/bus`)
    const focused = () => page.evaluate('document.activeElement.textContent')
    const rows = page.locator('#messages button')
    for (const id of ['one', 'two', 'three']) await bus.publish(checked, undefined, { id })
    await rows.filter({ hasText: 'three' }).waitFor()

    await page.locator('#pause').focus()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Home')
    await page.keyboard.press('ArrowDown')
    expect(await focused()).toContain('two')
    await bus.publish(checked, undefined, { id: 'four' })
    await rows.filter({ hasText: 'four' }).waitFor()
    expect(await focused()).toContain('two')
    await page.keyboard.press('Enter')

    expect(await page.locator('#request-title').innerText()).toBe('Request two')
    expect(await page.locator('#messages [aria-pressed="true"]').textContent()).toContain('two')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Shift+Tab')
    expect(await focused()).toContain('two') // one row takes part in the order of the Tab key
  })

  test('does not move the rows under the pointer', async () => {
    const { origin, bus } = await inspectedWithListener()
    const { page } = await openPage()
    await page.goto(`${origin}/-/bus`)
    await bus.publish(checked, undefined, { id: 'before' })
    const rows = page.locator('#messages button')
    await rows.filter({ hasText: 'before' }).hover()

    await bus.publish(checked, undefined, { id: 'after' })
    await page.locator('#note', { hasText: '1 newer messages' }).waitFor()
    expect(await rows.first().textContent()).toContain('before')
    await page.mouse.move(0, 0)

    await expect.poll(() => rows.first().textContent()).toContain('after')
  })

  test('shows outcomes that it does not know without color', async () => {
    const { origin } = await inspected()
    const { page, problems } = await openPage()
    const message = { number: 1, at: 0, start: 0, channel: 'x', by: 'y', id: 'z', ms: 1, span: 1, request: 'z', nth: 1 }
    const body = `data: ${JSON.stringify({ channels: [], messages: [{ ...message, outcome: 'novel', error: 'E' }], missed: 0 })}\n\n`
    await page.route('**/events', (route) => route.fulfill({ contentType: 'text/event-stream', body }), { times: 1 })

    await page.goto(`${origin}/-/bus`)
    await page.locator('#messages .neutral button', { hasText: 'novel' }).click()

    expect(await page.locator('#request .calls .neutral').innerText()).toContain('novel · E')
    expect(problems).toEqual([])
  })

  test('has no accessibility violation, in light and dark mode', async () => {
    const { origin } = await inspectedWithFailures()
    const { page } = await openPage({ reducedMotion: 'reduce' })
    await page.goto(`${origin}/-/bus`)
    await fetchReply(`${origin}/secret`)
    await fetchReply(`${origin}/secret/unknown`)
    await page.locator('#messages .failed button').first().click()
    await page.locator('.channel').first().click()

    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      expect(await violationsOf(page)).toEqual([])
    }
    await page.goto(`${origin}/`)
    await page.locator('main a').first().waitFor()
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      expect(await violationsOf(page)).toEqual([])
    }
  })

  test.for(['no-preference', 'reduce'] as const)(
    'does not shift while messages arrive, with motion: %s',
    async (reducedMotion) => {
      const { origin } = await inspected()
      const { page } = await openPage({ reducedMotion })
      const shift = () =>
        page.evaluate<number>(`new Promise((resolve) => {
        let sum = 0
        new PerformanceObserver((list) => {
          for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) sum += value
        }).observe({ type: 'layout-shift', buffered: true })
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)))
      })`)

      for (const viewport of [
        { width: 1400, height: 900 },
        { width: 360, height: 800 },
      ]) {
        await page.setViewportSize(viewport)
        await page.goto(`${origin}/-/bus`)
        await page.locator('.channel').first().waitFor()
        await page.locator('.messages').scrollIntoViewIfNeeded()
        for (let times = 0; times < 10; times += 1) {
          const id = `${viewport.width}-${times}`
          await fetchReply(`${origin}/secret`, { headers: { 'x-request-id': id } })
          await page.locator('#messages li', { hasText: id }).first().waitFor()
        }
        expect(await shift(), `${viewport.width} px`).toBeLessThan(0.1)
      }
    },
  )

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
    for (const path of ['/secret', '/ready', '/secret/unknown']) await fetchReply(origin + path)
    await fetchReply(`${origin}/secret`, { headers: { 'cache-control': 'no-cache' } })
    await page.locator('#messages button', { hasText: 'secret.fetch' }).first().click()
    await page.locator('#request .calls tr').nth(2).waitFor()
    await page.mouse.move(0, 0)
    const sizes = { desktop: { width: 1400, height: 980 }, phone: { width: 360, height: 800 } }

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
