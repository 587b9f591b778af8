/** The parts of the benchmarks and their plans. */
import { readdirSync, statSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { messageOf } from '../src/bus/errors.ts'
import { startDynamodb } from '../test/support/dynamodb/dynamodb.ts'
import { measureBus } from './bus.ts'
import { measureHttp } from './http.ts'
import { checkWrk } from './load.ts'
import { machine } from './machine.ts'
import { type MemoryPlan, measureMemory } from './memory.ts'
import type { ProcessesPlan } from './processes.ts'
import type { Results } from './results.ts'
import { measureSecrets, type SecretsPlan } from './secrets.ts'
import { measureSetups, type SetupsPlan, setups } from './setups.ts'
import { measureStart } from './start.ts'
import { measureUnread } from './unread.ts'

export const parts = ['bus', 'setups', 'http', 'start', 'memory', 'unread', 'image', 'secrets'] as const
export type Part = (typeof parts)[number]

export interface Plan {
  readonly bus: { readonly rounds: number; readonly ms: number }
  readonly setups: SetupsPlan
  readonly http: ProcessesPlan
  readonly start: { readonly rounds: number }
  readonly memory: MemoryPlan
  readonly unread: { readonly seconds: number }
  readonly secrets: SecretsPlan
}

export const fullPlan: Plan = {
  bus: { rounds: 10, ms: 150 },
  setups: { processes: 5, rounds: 4, warmUp: 10 }, // the first exports of spans make V8 discard optimized code
  http: { processes: 3, rounds: 4, warmUp: 3 },
  start: { rounds: 15 },
  memory: { few: 10_000, many: 500_000, connections: 10_000, rest: 3_000 },
  unread: { seconds: 5 },
  secrets: { counts: [1, 10, 100, 1_000], processes: 3, rounds: 5, warmUp: 3 },
}

export const quickPlan: Plan = {
  bus: { rounds: 2, ms: 50 },
  setups: { processes: 1, rounds: 2, warmUp: 1 },
  http: { processes: 1, rounds: 2, warmUp: 1 },
  start: { rounds: 3 },
  memory: { few: 5_000, many: 50_000, connections: 1_000, rest: 1_000 },
  unread: { seconds: 1 },
  secrets: { counts: [1, 1_000], processes: 1, rounds: 1, warmUp: 1 },
}

/** The regression check compares only the production set-up with bare Fastify. */
export const guardPlan: Plan = {
  ...fullPlan,
  setups: { processes: 3, rounds: 4, warmUp: 5, only: [setups.bare, setups.production] },
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

export async function measureParts(only: readonly Part[], plan: Plan): Promise<Results> {
  if (only.some((part) => !['bus', 'start', 'image'].includes(part))) await checkWrk()
  const emulator = await startDynamodb()
  await emulator.putSecret('thedoctor', 'the secret of thedoctor')
  const { endpoint } = emulator
  const measures: Record<Part, () => Promise<Partial<Results>>> = {
    bus: async () => ({ bus: await measureBus(plan.bus.rounds, plan.bus.ms) }),
    setups: async () => ({ setups: await measureSetups(endpoint, plan.setups) }),
    http: async () => ({ http: await measureHttp(endpoint, plan.http) }),
    start: async () => ({ start: await measureStart(endpoint, plan.start.rounds) }),
    memory: async () => ({ memory: await measureMemory(endpoint, plan.memory), memoryPlan: plan.memory }),
    unread: async () => ({ unread: await measureUnread(endpoint, plan.unread.seconds) }),
    image: async () => ({ image: sizeOfImage() }),
    secrets: async () => ({ secrets: await measureSecrets(plan.secrets) }),
  }
  let results: Results = { at: new Date().toISOString(), quick: plan === quickPlan, machine: machine() }
  for (const part of only) {
    process.stderr.write(`Measuring: ${part}\n`)
    results = { ...results, ...(await measures[part]()) }
  }
  await emulator.close()
  return results
}

/** The size of the files that `docker/Dockerfile` adds to its base image, in MB. */
function sizeOfImage(): number {
  const bundle = new URL('../bundle/', import.meta.url)
  const files = readdirSync(bundle, { recursive: true }).map((name) => new URL(`${name}`, bundle))
  const sizes = [new URL('../package.json', import.meta.url), ...files].map((file) => statSync(file))
  return sizes.filter((stats) => stats.isFile()).reduce((sum, { size }) => sum + size, 0) / 1_000_000
}
