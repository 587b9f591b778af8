/** The results of one run. A part that was not measured is absent. */
import type { BusResults } from './bus.ts'
import type { HttpResult } from './http.ts'
import type { Machine } from './machine.ts'
import type { MemoryPlan, MemoryResult } from './memory.ts'
import type { SecretsResult } from './secrets.ts'
import type { SetupResult } from './setups.ts'
import type { StartResult } from './start.ts'
import type { UnreadResult } from './unread.ts'

export interface Results {
  /** Start of the run, as in RFC 3339. */
  readonly at: string
  /** Whether this was a quick run, with less accurate figures. */
  readonly quick: boolean
  readonly machine: Machine
  /** Nanoseconds per call. */
  readonly bus?: BusResults
  readonly http?: readonly HttpResult[]
  readonly start?: readonly StartResult[]
  readonly memory?: readonly MemoryResult[]
  readonly memoryPlan?: MemoryPlan
  readonly unread?: readonly UnreadResult[]
  /** Size of the files that the image adds to its base, in MB. */
  readonly image?: number
  readonly secrets?: readonly SecretsResult[]
  readonly setups?: readonly SetupResult[]
  /** The ratios of the previous complete run, by target. */
  readonly before?: { readonly at: string; readonly ratios: Readonly<Record<string, number>> }
}
