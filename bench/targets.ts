/** The targets of the benchmarks. Each is a ratio of two figures of the same run, or a size. */
import { busRatios } from './bus.ts'
import type { Results } from './results.ts'
import { cpuRatio, setups } from './setups.ts'

export interface Target {
  /** What is limited: a ratio, or a size in MB. */
  readonly what: string
  readonly atMost: number
  readonly result: number
  /** The ratio in the previous complete run. */
  readonly before?: number | undefined
}

/** The targets for which there are results. */
export function targets(results: Results): Target[] {
  const all = [...setupTargets(results), ...busTargets(results), ...startTargets(results), ...memoryTargets(results)]
  return all.map((target) => ({ ...target, before: results.before?.ratios[target.what] }))
}

function busTargets({ bus }: Results): Target[] {
  if (!bus) return []
  const limits = {
    'request, synchronous provider / direct await': 1.5,
    "request, synchronous provider / Moleculer's call": 1 / 5,
    'request, synchronous provider, no-op interceptor / none': 1.15,
  }
  const ratios = busRatios(bus)
  return Object.entries(limits)
    .map(([what, atMost]) => ({ what, atMost, result: ratios[what] ?? Number.NaN }))
    .filter(({ result }) => !Number.isNaN(result)) // not measured in an earlier run
}

/** Quotients of CPU times per request. */
function setupTargets({ setups: results }: Results): Target[] {
  const limits: [what: string, setup: string, base: string, atMost: number][] = [
    ['production / bare Fastify', setups.production, setups.bare, 1.45],
    ['production / Fastify with line and bearer-auth', setups.production, setups.guarded, 0.85],
    ['without a token / bare Fastify', setups.plain, setups.bare, 1.3],
    ['tracing off / absent', setups.production, setups.noTracing, 1.02],
    ['tracing at 1 % / absent', setups.rarelySampled, setups.noTracing, 1.15],
    ['tracing at 100 % / absent', setups.alwaysSampled, setups.noTracing, 1.6],
    ['traceparent / none', setups.traceparent, setups.production, 1.06],
    ['1,000 clients / 1 client', setups.manyClients, setups.production, 1.03],
    ["production / the seed's stack", setups.production, setups.seed, 1 / 15],
  ]
  return limits.flatMap(([what, setup, base, atMost]) => {
    const result = cpuRatio(results ?? [], setup, base)
    return result === undefined ? [] : [{ what, atMost, result }]
  })
}

function startTargets({ start }: Results): Target[] {
  const limits = { 'service, first 200 of /health': 1.25, 'production, first 200 of /health': 1.25 }
  return Object.entries(limits).flatMap(([what, atMost]) => {
    const found = start?.find((result) => result.what === what)
    return found ? [{ what: `${what} / bare Fastify`, atMost, result: found.ofBare }] : []
  })
}

function memoryTargets({ memory, unread, image }: Results): Target[] {
  const ours = memory?.find(({ server }) => server === 'production')
  const bare = memory?.find(({ server }) => server === 'bare Fastify')
  const growth = unread?.map((attack) => attack.growth)
  return [
    ...(ours && bare ? [{ what: 'idle memory / bare Fastify', atMost: 1.3, result: ours.idle / bare.idle }] : []),
    ...(growth ? [{ what: 'growth with unread replies, MB', atMost: 100, result: Math.max(...growth) }] : []),
    ...(image === undefined ? [] : [{ what: 'image over its base, MB', atMost: 6, result: image }]),
  ]
}
