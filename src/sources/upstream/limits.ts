/** Enforces the limits of one request: the timeout, and the deadline and signal of the call that causes it. */
import { after, type Call } from '../../bus/call.ts'
import { codeOf, messageOf } from '../../bus/errors.ts'
import { SourceFailure } from '../../secret.ts'
import { networkFailure, timeoutFailure } from './failures.ts'

/**
 * Runs a request until it ends or a limit is reached.
 * @param name the method and URL, for messages
 * @param timeout in milliseconds
 * @throws SourceFailure; the reason of the call's signal if it aborts; TypeError if the request is invalid
 */
export async function withinLimits<Result>(
  name: string,
  timeout: number,
  call: Call | undefined,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  call?.signal?.throwIfAborted()
  const ms = Math.max(0, Math.min(timeout, (call?.deadline ?? Infinity) - Date.now()))
  if (ms === 0) throw timeoutFailure(name, ms)
  const limit = new AbortController()
  const cancel = after(ms, () => limit.abort(timeoutFailure(name, ms)))
  try {
    return await run(call?.signal ? AbortSignal.any([limit.signal, call.signal]) : limit.signal)
  } catch (error) {
    if (call?.signal?.aborted) throw call.signal.reason
    if (error instanceof SourceFailure) throw error
    if (limit.signal.aborted) throw limit.signal.reason
    // The caller's mistake, such as a line break in a header. The message does not quote the value.
    if (codeOf(error) === 'UND_ERR_INVALID_ARG') throw new TypeError(`Failed to request ${name}: ${messageOf(error)}`)
    throw networkFailure(name, error)
  } finally {
    cancel()
  }
}
