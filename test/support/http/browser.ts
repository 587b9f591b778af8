/** A real browser, and all that a page has to complain of. */
import { existsSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, onTestFinished } from 'vitest'

const program = '/usr/bin/chromium'

/** It runs as whoever runs the tests, without a graphics card, and calls nobody by itself. */
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Debian's Chromium; elsewhere there may be none, and tests that need it say that they are skipped. */
export const hasBrowser = existsSync(program)

export interface OpenPage {
  readonly page: Page
  /** Errors on the console or thrown, requests to another origin than the first, and those that came to nothing. */
  readonly problems: string[]
}

/** Starts a browser for the tests that are described where this is called. */
export function useBrowser() {
  let browser: Browser | undefined
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: program, args })
  })
  afterAll(() => browser?.close())

  /** A page of a window of its own, which shares nothing with others. It is closed when the test is finished. */
  const openPage = async (options: BrowserContextOptions = {}): Promise<OpenPage> => {
    const context = await browser?.newContext(options)
    if (!context) throw new Error('the browser has not started')
    onTestFinished(() => context.close())
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
