/** Renders all metrics in the Prometheus text format: those of the process, and those of the subscribers. */
import { messageOf } from '../../bus/errors.ts'
import { propertyOf } from '../../bus/thrown.ts'
import { familyOf, list } from './family.ts'
import { processFamilies } from './process-families.ts'

/** What a subscriber has returned for `metrics.collect`. A plugin may return anything. */
export interface Collected {
  /** The subscriber's name. */
  readonly by: string
  readonly metrics: unknown
}

/** Receives the name of the subscriber and the reason for each family that is left out. */
export type OnInvalid = (by: string, reason: string) => void

export const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** Renders the valid families. If two share a name, the second is left out. */
export async function exposition(collected: readonly Collected[], onInvalid: OnInvalid): Promise<string> {
  const texts: string[] = []
  const taken = new Set<string>()
  const attempt = (by: string, metric: unknown, render: typeof familyOf) => {
    try {
      const { names, text } = render(metric)
      if (names.some((name) => taken.has(name))) throw new RangeError('duplicate name')
      for (const name of names) taken.add(name)
      if (text !== '') texts.push(text)
    } catch (error) {
      onInvalid(by, `${printable(propertyOf(metric, 'name'))}: ${messageOf(error)}`)
    }
  }
  for (const family of await processFamilies(onInvalid)) attempt('prom-client', family, () => family)
  for (const { by, metrics } of collected) {
    try {
      for (const metric of list('metrics', metrics)) attempt(by, metric, familyOf)
    } catch (error) {
      onInvalid(by, messageOf(error))
    }
  }
  return `${texts.join('\n\n')}\n`
}

function printable(name: unknown): string {
  return typeof name === 'string' ? name.slice(0, 100) : `(${typeof name})`
}
