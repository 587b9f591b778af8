/** Checks a page in a browser with axe-core. */
import axe, { type AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'

/** Returns the violations of accessibility rules in the page as it is, each with the elements concerned. */
export async function violationsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<AxeResults>('axe.run()')
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`)}`)
}
