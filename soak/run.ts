/** One run: load on the service while its source fails and it reloads, and what it holds before, meanwhile and after. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool, request } from 'undici'
import { oddClient, steadyClient, Tally, type Target } from './clients.ts'
import { type FaultyTable, faults, startFaultyTable } from './faulty-table.ts'
import { type Held, Service } from './service.ts'

const codeNames = ['thedoctor', 'river song', 'a/b', 'ключ', '100%']
const secrets = new Map(codeNames.map((codeName) => [codeName, `the secret of ${codeName}`]))
const steadyClients = 10
const oddClients = 3

export interface Run {
  readonly tally: Tally
  readonly before: Held
  readonly during: readonly Held[]
  /** When the load had gone. */
  readonly after: Held
  readonly exit: number | NodeJS.Signals
}

/**
 * Runs for so many minutes.
 * @throws the reason of the interruption, if there is one
 */
export async function run(minutes: number, interruption: AbortSignal): Promise<Run> {
  const table = await startFaultyTable(secrets)
  const service = await Service.start(codeNames, table.endpoint)
  try {
    await pause(6_000, interruption) // until the connections with which it fetched the first secrets have idled out
    const before = await service.held()
    const until = AbortSignal.any([interruption, AbortSignal.timeout(minutes * 60_000)])
    const { tally, during } = await load(service, table, until)
    interruption.throwIfAborted()
    const after = await unloaded(service, before)
    return { tally, before, during, after, exit: await service.exit() }
  } catch (error) {
    throw new Error(`the log of the service ends with:\n${service.lastLines}`, { cause: error })
  } finally {
    await service.exit({ told: interruption.aborted })
    await table.close()
  }
}

async function load(service: Service, table: FaultyTable, until: AbortSignal): Promise<Pick<Run, 'tally' | 'during'>> {
  const { origin, headers } = service
  const target = { origin, headers, secrets, disturbed: false }
  const tally = new Tally()
  const during: Held[] = []
  const pool = new Pool(origin, { connections: steadyClients, headersTimeout: 10_000, bodyTimeout: 10_000 })
  const sample = async () => {
    while (await pause(2_000, until)) during.push(await service.held())
  }
  await Promise.all([
    ...Array.from({ length: steadyClients }, () => steadyClient(target, pool, tally, until)),
    ...Array.from({ length: oddClients }, () => oddClient(target, tally, until)),
    trouble(target, service, table, tally, until),
    sample(),
  ])
  await pool.close()
  return { tally, during }
}

/** Has the table fail in one way after another, and the service reload before, during and after each. */
async function trouble(
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
    for (let tries = 1; !(await reload()); tries += 1) {
      if (tries === 10) throw new Error(`the service does not get over the fault: ${name}`)
      await sleep(200)
    }
    target.disturbed = false
  }
}

/** What it holds as soon as that is no more than before, or else after a while: some of it has to idle out. */
async function unloaded(service: Service, before: Held): Promise<Held> {
  for (let tries = 1; ; tries += 1) {
    const after = await service.held()
    if (tries === 20 || (after.files <= before.files && after.resources <= before.resources)) return after
    await sleep(1_000)
  }
}

/** Waits for so many milliseconds. Whether there is still time afterwards. */
async function pause(ms: number, until: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal: until }).catch(() => {})
  return !until.aborted
}
