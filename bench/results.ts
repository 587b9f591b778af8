/** All that one run has measured. A part that was left out is not there. */
import type { BusResults } from './bus.ts'
import type { HttpResult } from './http.ts'
import type { Machine } from './machine.ts'
import type { MemoryPlan, MemoryResult } from './memory.ts'
import type { SecretsResult } from './secrets.ts'
import type { SourceResult } from './source.ts'
import type { StartResult } from './start.ts'

export interface Results {
  /** When it began, by RFC 3339. */
  readonly at: string
  /** Whether the time was cut short, and the figures with it. */
  readonly quick: boolean
  readonly machine: Machine
  /** Nanoseconds a call. */
  readonly bus?: BusResults
  readonly http?: readonly HttpResult[]
  readonly start?: readonly StartResult[]
  readonly memory?: readonly MemoryResult[]
  readonly memoryPlan?: MemoryPlan
  readonly source?: readonly SourceResult[]
  readonly secrets?: readonly SecretsResult[]
  /** The whole run before: what has a target, as it was then. */
  readonly before?: { readonly at: string; readonly ratios: Readonly<Record<string, number>> }
}
