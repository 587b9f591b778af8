/** Ends the process, even if a thread is blocked. */
import type { LogOutput } from './log-output.ts'

/** The members of `process` that are used to end it. */
export type EndableProcess = Pick<NodeJS.Process, 'pid' | 'exit' | 'kill' | 'abort' | 'getActiveResourcesInfo'>

/** Requests that run in a thread of libuv's pool. `process.exit` waits for them, without a time limit. */
const pooled = /^(FSReq|GetAddrInfoReq|GetNameInfoReq)/

/** Interval between checks whether the log and the requests have finished, in milliseconds. */
const interval = 10

/** Like `finishOutput`, and then ends the process with the code. */
export async function endProcess(
  process: EndableProcess,
  code: number,
  ms: number,
  output?: Pick<LogOutput, 'flush' | 'end'>,
): Promise<never> {
  await finishOutput(process, ms, output)
  return process.exit(code)
}

/**
 * Writes the rest of the log, and waits for file operations and name lookups, so that `process.exit` takes effect
 * immediately. If they have not finished within `ms` milliseconds, ends the process with a signal instead: SIGKILL, or
 * SIGABRT as PID 1, because the kernel ignores a SIGKILL that PID 1 sends to itself.
 */
export function finishOutput(
  process: EndableProcess,
  ms: number,
  output?: Pick<LogOutput, 'flush' | 'end'>,
): Promise<void> {
  const deadline = performance.now() + ms
  return new Promise((resolve) => {
    const check = () => {
      const late = performance.now() >= deadline
      if (!(output?.flush() ?? true) && !late) return
      const blocked = process.getActiveResourcesInfo().some((resource) => pooled.test(resource))
      if (blocked && !late) return
      output?.end(0)
      clearInterval(timer)
      if (!blocked) return resolve()
      if (process.pid === 1) process.abort()
      process.kill(process.pid, 'SIGKILL')
    }
    const timer = setInterval(check, interval)
    check()
  })
}
