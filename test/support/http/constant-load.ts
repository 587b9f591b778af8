/** Clients that never stop asking, and a record of whatever went wrong for them. */
import { setTimeout } from 'node:timers/promises'
import { Pool } from 'undici'
import { onTestFinished } from 'vitest'

export interface ConstantLoad {
  /** How many requests were answered as they should. */
  readonly answered: number
  /** What became of all others: when, during what, and how. */
  readonly failures: readonly string[]
  /** What happens from now on, for the record. */
  phase: string
  /** Asks no more, and resolves when all that was asked is answered. */
  stop(): Promise<void>
}

/** How long a client waits before it asks again, in milliseconds. */
const pacing = 20

/** One request in this many is for the health. */
const healthEvery = 20

const healthy = /^200 \{"status":"healthy",/

/**
 * Starts this many clients, whose connections are kept. They are stopped when the test is finished, if not before.
 * @param value that of the secret
 */
export function constantLoad(origin: string, clients: number, value: string): ConstantLoad {
  const pool = new Pool(origin, { connections: clients, pipelining: 1 })
  const secret = `200 {"secret_code":"${value}"}`
  const began = performance.now()
  const failures: string[] = []
  let asking = true

  const ask = async (path: string) => {
    const { statusCode, body } = await pool.request({ method: 'GET', path })
    const answer = `${statusCode} ${await body.text()}`
    if (path === '/health' ? !healthy.test(answer) : answer !== secret) throw new Error(answer)
  }
  const client = async () => {
    for (let asked = 1; asking; asked += 1) {
      const path = asked % healthEvery === 0 ? '/health' : '/secret'
      const { phase } = load
      try {
        await ask(path)
        load.answered += 1
      } catch (error) {
        failures.push(`${Math.round(performance.now() - began)} ms, ${phase}: ${path}: ${error}`)
      }
      await setTimeout(pacing)
    }
  }
  const load = {
    answered: 0,
    failures,
    phase: 'at first',
    stop: async () => {
      asking = false
      await running
      await pool.close()
    },
  }
  const running = Promise.all(Array.from({ length: clients }, client))
  onTestFinished(async () => {
    asking = false
    await pool.destroy()
    await running
  })
  return load
}
