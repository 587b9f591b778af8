/** A real browser, and all that a page has to complain of. */
import { existsSync } from 'node:fs'
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { onTestFinished } from 'vitest'

const program = '/usr/bin/chromium'

/** Debian's Chromium; elsewhere there may be none, and tests that need it say that they are skipped. */
export const hasBrowser = existsSync(program)

export interface OpenPage {
  readonly page: Page
  /** Errors on the console or thrown, requests to another origin than the first, and those that came to nothing. */
  readonly problems: string[]
}

/** Starts a browser that knows nobody. It is closed when the test is finished. */
export async function openBrowser() {
  const browser = await chromium.launch({
    executablePath: program,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  onTestFinished(() => browser.close())

  /** A page of a window of its own, which shares nothing with others. */
  const openPage = async (options: BrowserContextOptions = {}): Promise<OpenPage> => {
    const context = await browser.newContext(options)
    const page = await context.newPage()
    const problems: string[] = []
    let origin: string | undefined
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(`console: ${message.text()}`)
    })
    page.on('pageerror', (error) => problems.push(`thrown: ${error.message}`))
    page.on('request', (request) => {
      const { protocol, origin: asked } = new URL(request.url())
      if (protocol === 'data:' || protocol === 'blob:') return
      origin ??= asked
      if (asked !== origin) problems.push(`foreign: ${request.url()}`)
    })
    page.on('requestfailed', (request) => {
      // A page that is left lets go of what it still asks for.
      const { errorText = '' } = request.failure() ?? {}
      if (errorText !== 'net::ERR_ABORTED') problems.push(`failed: ${request.url()} ${errorText}`)
    })
    return { page, problems }
  }
  return { openPage }
}
