/** Ends the process, even if a thread is blocked. */
import type { LogOutput } from './log-output.ts'

/** The members of `process` that are used to end it. */
export type EndableProcess = Pick<NodeJS.Process, 'pid' | 'exit' | 'kill' | 'abort' | 'getActiveResourcesInfo'>

/** Requests that run in a thread of libuv's pool. `process.exit` waits for them, without a time limit. */
const pooled = /^(FSReq|GetAddrInfoReq|GetNameInfoReq)/

/** Interval between checks whether the log and the requests have finished, in milliseconds. */
const interval = 10

/**
 * Writes the rest of the log, waits for file operations and name lookups, and ends the process with the code. If they
 * have not finished within `ms` milliseconds, ends it with a signal instead: SIGKILL, or SIGABRT as PID 1, because the
 * kernel ignores a SIGKILL that PID 1 sends to itself.
 */
export function endProcess(
  process: EndableProcess,
  code: number,
  ms: number,
  output?: Pick<LogOutput, 'flush' | 'end'>,
): Promise<never> {
  const deadline = performance.now() + ms
  const check = () => {
    const late = performance.now() >= deadline
    if (!(output?.flush() ?? true) && !late) return
    const blocked = process.getActiveResourcesInfo().some((resource) => pooled.test(resource))
    if (blocked && !late) return
    output?.end(0)
    if (!blocked) process.exit(code)
    if (process.pid === 1) process.abort()
    process.kill(process.pid, 'SIGKILL')
  }
  setInterval(check, interval)
  check()
  return new Promise(() => {})
}
