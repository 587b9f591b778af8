/** Asks whoever hears an event, for a document that is made of their answers, and goes on without those who fail. */
import type { Call } from '../bus/call.ts'
import { ChannelFailures, type Failure } from '../bus/errors.ts'

/** How long each may take, in milliseconds. */
const timeout = 1_000

export async function gather<Output>(
  publish: (payload: undefined, call: Call) => Promise<Output[]>,
  id: string,
): Promise<{ readonly outputs: Output[]; readonly failures: readonly Failure[] }> {
  try {
    return { outputs: await publish(undefined, { id, deadline: Date.now() + timeout }), failures: [] }
  } catch (error) {
    if (!(error instanceof ChannelFailures)) throw error
    return { outputs: error.outputs as Output[], failures: error.failures } // what the others on this channel answered
  }
}
