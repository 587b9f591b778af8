/** One run: loads the service during faults and reloads, and samples its resources before, during and afterwards. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool, request } from 'undici'
import { misbehavingClient, steadyClient, Tally, type Target } from './clients.ts'
import { type FaultyTable, faults, startFaultyTable } from './faulty-table.ts'
import { type Resources, Service } from './service.ts'

const codeNames = ['thedoctor', 'river song', 'a/b', 'ключ', '100%']
const secrets = new Map(codeNames.map((codeName) => [codeName, `the secret of ${codeName}`]))
const steadyClients = 10
const misbehavingClients = 3

export interface Run {
  readonly tally: Tally
  readonly before: Resources
  readonly during: readonly Resources[]
  /** The resources after the load. */
  readonly after: Resources
  readonly exit: number | NodeJS.Signals
}

/**
 * Runs for a number of minutes.
 * @throws Error with the last log lines and the cause if the run fails or is interrupted
 */
export async function run(minutes: number, interruption: AbortSignal): Promise<Run> {
  const table = await startFaultyTable(secrets)
  const service = await Service.start(codeNames, table.endpoint)
  try {
    await pause(6_000, interruption) // until the idle connections of the first fetches are closed
    const before = await service.resources()
    const until = AbortSignal.any([interruption, AbortSignal.timeout(minutes * 60_000)])
    const { tally, during } = await load(service, table, until)
    interruption.throwIfAborted()
    const after = await resourcesAfterLoad(service, before)
    return { tally, before, during, after, exit: await service.exit() }
  } catch (error) {
    throw new Error(`The run failed; last lines of the service log:\n${service.lastLines}`, { cause: error })
  } finally {
    await service.exit({ alreadySignalled: interruption.aborted })
    await table.close()
  }
}

async function load(service: Service, table: FaultyTable, until: AbortSignal): Promise<Pick<Run, 'tally' | 'during'>> {
  const { origin, headers } = service
  const target = { origin, headers, secrets, disturbed: false }
  const tally = new Tally()
  const during: Resources[] = []
  const pool = new Pool(origin, { connections: steadyClients, headersTimeout: 10_000, bodyTimeout: 10_000 })
  const sample = async () => {
    while (await pause(2_000, until)) during.push(await service.resources())
  }
  await Promise.all([
    ...Array.from({ length: steadyClients }, () => steadyClient(target, pool, tally, until)),
    ...Array.from({ length: misbehavingClients }, () => misbehavingClient(target, tally, until)),
    injectFaults(target, service, table, tally, until),
    sample(),
  ])
  await pool.close()
  return { tally, during }
}

/** Injects one fault after another, and reloads the service before, during and after each. */
async function injectFaults(
  target: Target & { disturbed: boolean },
  service: Service,
  table: FaultyTable,
  tally: Tally,
  until: AbortSignal,
): Promise<void> {
  const reload = async () => {
    const { origin, headers } = target
    const { statusCode, body } = await request(`${origin}/-/reload`, { method: 'POST', headers, reset: true })
    await body.dump()
    tally.count(`POST /-/reload ${statusCode}`)
    return statusCode === 200
  }
  const reloadBySignal = async () => {
    service.hangUp()
    tally.count('SIGHUP')
  }
  const all = Object.entries(faults)
  for (let turn = 0; await pause(3_000, until); turn += 1) {
    const [name, fault] = all[turn % all.length] ?? []
    if (!(await reload())) tally.fail('POST /-/reload failed without a fault')
    target.disturbed = true
    table.fault = fault
    tally.count(`fault: ${name}`)
    await pause(1_000, until)
    await (turn % 2 === 0 ? reload() : reloadBySignal())
    await pause(1_000, until)
    table.fault = undefined
    for (let attempt = 1; !(await reload()); attempt += 1) {
      if (attempt === 10) throw new Error(`The service did not recover from the fault: ${name}`)
      await sleep(200)
    }
    target.disturbed = false
  }
}

/** The resources as soon as they do not exceed those before, or after 20 s: idle connections take time to close. */
async function resourcesAfterLoad(service: Service, before: Resources): Promise<Resources> {
  for (let attempt = 1; ; attempt += 1) {
    const after = await service.resources()
    if (attempt === 20 || (after.files <= before.files && after.active <= before.active)) return after
    await sleep(1_000)
  }
}

/** Waits for `ms` milliseconds or until the abort. Resolves to whether the run continues. */
async function pause(ms: number, until: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal: until }).catch(() => {})
  return !until.aborted
}
