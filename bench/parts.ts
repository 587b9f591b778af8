/** The parts of the benchmarks and their plans. */
import { parseArgs } from 'node:util'
import { messageOf } from '../src/bus/errors.ts'
import { startDynamodb } from '../test/support/dynamodb/dynamodb.ts'
import { measureBus } from './bus.ts'
import { type HttpPlan, measureHttp } from './http.ts'
import { checkWrk } from './load.ts'
import { machine } from './machine.ts'
import { type MemoryPlan, measureMemory } from './memory.ts'
import type { ProcessesPlan } from './processes.ts'
import type { Results } from './results.ts'
import { measureSecrets, type SecretsPlan } from './secrets.ts'
import { measureSetups } from './setups.ts'
import { measureSource, type SourcePlan } from './source.ts'
import { measureStart } from './start.ts'

export const parts = ['bus', 'http', 'start', 'memory', 'source', 'secrets', 'setups'] as const
export type Part = (typeof parts)[number]

interface Plan {
  readonly bus: { readonly rounds: number; readonly ms: number }
  readonly http: HttpPlan
  readonly start: { readonly rounds: number }
  readonly memory: MemoryPlan
  readonly source: SourcePlan
  readonly secrets: SecretsPlan
  readonly setups: ProcessesPlan
}

const fullPlan: Plan = {
  bus: { rounds: 10, ms: 150 },
  http: { processes: 5, rounds: 4, connections: [1, 32, 256], seconds: 1, warmUp: 3 },
  start: { rounds: 15 },
  memory: { few: 10_000, many: 1_000_000, connections: 10_000, rest: 3_000 },
  source: { requests: 1_000_000, outage: 60 },
  secrets: { counts: [1, 10, 100, 1_000], processes: 3, rounds: 5, warmUp: 3 },
  setups: { processes: 5, rounds: 4, warmUp: 10 }, // the first exports of spans make V8 discard optimized code
}

const quickPlan: Plan = {
  bus: { rounds: 2, ms: 50 },
  http: { processes: 1, rounds: 2, connections: [32], seconds: 1, warmUp: 1 },
  start: { rounds: 3 },
  memory: { few: 5_000, many: 50_000, connections: 1_000, rest: 1_000 },
  source: { requests: 10_000, outage: 5 },
  secrets: { counts: [1, 1_000], processes: 1, rounds: 1, warmUp: 1 },
  setups: { processes: 1, rounds: 2, warmUp: 1 },
}

/**
 * Reads the selected parts and one flag from the command line. Exits with 64 if the arguments are invalid.
 */
export function readArguments(flag: string, byDefault: readonly Part[] = parts) {
  try {
    const { values } = parseArgs({ options: { [flag]: { type: 'boolean' }, only: { type: 'string' } } })
    const wanted = values['only']?.toString().split(',') ?? byDefault
    const unknown = wanted.find((name) => !parts.some((part) => part === name))
    if (unknown !== undefined) throw new Error(`--only must list parts from ${parts.join(',')}, received "${unknown}"`)
    return { isSet: Boolean(values[flag]), only: parts.filter((part) => wanted.includes(part)) }
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    process.exit(64)
  }
}

export async function measureParts(only: readonly Part[], quick: boolean): Promise<Results> {
  const plan = quick ? quickPlan : fullPlan
  if (only.some((part) => part !== 'bus' && part !== 'start')) await checkWrk()
  const emulator = await startDynamodb()
  await emulator.putSecret('thedoctor', 'the secret of thedoctor')
  const { endpoint } = emulator
  const measures: Record<Part, () => Promise<Partial<Results>>> = {
    bus: async () => ({ bus: await measureBus(plan.bus.rounds, plan.bus.ms) }),
    http: async () => ({ http: await measureHttp(endpoint, plan.http) }),
    start: async () => ({ start: await measureStart(endpoint, plan.start.rounds) }),
    memory: async () => ({ memory: await measureMemory(endpoint, plan.memory), memoryPlan: plan.memory }),
    source: async () => ({ source: await measureSource(plan.source) }),
    secrets: async () => ({ secrets: await measureSecrets(plan.secrets) }),
    setups: async () => ({ setups: await measureSetups(endpoint, plan.setups) }),
  }
  let results: Results = { at: new Date().toISOString(), quick, machine: machine() }
  for (const part of only) {
    process.stderr.write(`Measuring: ${part}\n`)
    results = { ...results, ...(await measures[part]()) }
  }
  await emulator.close()
  return results
}
