/** A real browser that records the problems of its pages. */
import { existsSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, onTestFinished } from 'vitest'

const program = '/usr/bin/chromium'

/** Runs as any user, including root, without a GPU, and makes no background requests. */
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Whether Debian's Chromium is installed; otherwise the tests that need it are skipped. */
export const hasBrowser = existsSync(program)

export interface OpenPage {
  readonly page: Page
  /** Console errors, uncaught errors, requests to an origin other than the first, and failed requests. */
  readonly problems: string[]
}

/** Starts a browser for the tests of the enclosing `describe` or file. */
export function useBrowser() {
  let browser: Browser | undefined
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: program, args })
  })
  afterAll(() => browser?.close())

  /** Opens a page in a separate browser context, which is closed when the test ends. */
  const openPage = async (options: BrowserContextOptions = {}): Promise<OpenPage> => {
    const context = await browser?.newContext(options)
    if (!context) throw new Error('The browser has not started')
    onTestFinished(() => context.close())
    const page = await context.newPage()
    const problems: string[] = []
    let origin: string | undefined
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(`console: ${message.text()}`)
    })
    page.on('pageerror', (error) => problems.push(`thrown: ${error.message}`))
    page.on('request', (request) => {
      const { protocol, origin: requested } = new URL(request.url())
      if (protocol === 'data:' || protocol === 'blob:') return
      origin ??= requested
      if (requested !== origin) problems.push(`foreign: ${request.url()}`)
    })
    page.on('requestfailed', (request) => {
      // Leaving a page aborts its pending requests.
      const { errorText = '' } = request.failure() ?? {}
      if (errorText !== 'net::ERR_ABORTED') problems.push(`failed: ${request.url()} ${errorText}`)
    })
    return { page, problems }
  }
  return { openPage }
}
