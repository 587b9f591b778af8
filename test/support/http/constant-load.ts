/** Clients that send requests continuously and record every failure. */
import { setTimeout } from 'node:timers/promises'
import { Pool } from 'undici'
import { onTestFinished } from 'vitest'

export interface ConstantLoad {
  /** Number of requests with the expected response. */
  readonly answered: number
  /** The other requests: time, phase, path and error. */
  readonly failures: readonly string[]
  /** Name of the current phase of the test, for the record. */
  phase: string
  /** Sends no more requests, and resolves when all pending ones have been answered. */
  stop(): Promise<void>
}

/** Delay between the requests of a client, in milliseconds. */
const requestInterval = 20

/** One of this many requests goes to `/health`. */
const healthRequestEvery = 20

const healthy = /^200 \{"status":"healthy",/

/**
 * Starts the clients, each with a kept-alive connection. They stop when the test ends, or earlier with `stop`.
 * @param clients number of clients
 * @param value the expected value of the secret
 */
export function constantLoad(origin: string, clients: number, value: string): ConstantLoad {
  const pool = new Pool(origin, { connections: clients, pipelining: 1 })
  const secret = `200 {"secret_code":"${value}"}`
  const startedAt = performance.now()
  const failures: string[] = []
  let running = true

  const send = async (path: string) => {
    const { statusCode, body } = await pool.request({ method: 'GET', path })
    const response = `${statusCode} ${await body.text()}`
    if (path === '/health' ? !healthy.test(response) : response !== secret) throw new Error(response)
  }
  const client = async () => {
    for (let count = 1; running; count += 1) {
      const path = count % healthRequestEvery === 0 ? '/health' : '/secret'
      const { phase } = load
      try {
        await send(path)
        load.answered += 1
      } catch (error) {
        failures.push(`${Math.round(performance.now() - startedAt)} ms, ${phase}: ${path}: ${error}`)
      }
      await setTimeout(requestInterval)
    }
  }
  const load = {
    answered: 0,
    failures,
    phase: 'initial',
    stop: async () => {
      running = false
      await finished
      await pool.close()
    },
  }
  const finished = Promise.all(Array.from({ length: clients }, client))
  onTestFinished(async () => {
    running = false
    await pool.destroy()
    await finished
  })
  return load
}
