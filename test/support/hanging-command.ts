/** A shell command that starts another process and hangs, and the processes of it that are still running. */
import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { temporaryFile } from './temporary-file.ts'

export interface HangingCommand {
  readonly command: string
  /** The ids of its processes that are running. */
  readonly running: () => Promise<number[]>
}

/** @param ending the last step of the command; it hangs by default */
export async function hangingCommand(ending = 'sleep 60'): Promise<HangingCommand> {
  const pids = await temporaryFile('')
  const script = await temporaryFile(`sleep 60 & echo $$ $! >${pids}; ${ending}`)
  const started = async () => (await readFile(pids, 'utf8')).split(/\s+/).filter(Boolean).map(Number)
  return { command: `sh ${script}`, running: async () => (await started()).filter(isRunning) }
}

/** Whether the process exists. A process that has ended and not been reaped by its parent is not running. */
function isRunning(pid: number): boolean {
  try {
    if (existsSync('/proc/self/stat')) return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
