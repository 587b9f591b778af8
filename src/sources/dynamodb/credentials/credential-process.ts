/**
 * Runs the `credential_process` of a profile in place of the SDK, which leaves the process running when the search
 * ends, and quotes the command and its stderr in the error.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { externalDataInterceptor } from '@smithy/core/config'

const searches = new AsyncLocalStorage<AbortSignal>()

/** The maximum size of the output, as in the SDK, in bytes. */
const maxOutput = 1_048_576

/** Calls a function of the SDK. When the signal aborts, the credential processes that it has started are killed. */
export function withCredentialProcesses<Result>(signal: AbortSignal, run: () => Result): Result {
  // The SDK calls this function, if there is one, in place of `exec` of `node:child_process`.
  externalDataInterceptor.interceptToken('exec', execute)
  return searches.run(signal, run)
}

function execute(command: string, callback: (error: unknown, output?: { stdout: string }) => void): void {
  outputOf(command, searches.getStore()).then((stdout) => callback(null, { stdout }), callback)
}

/** @throws Error, without the output, if the process fails, is killed or prints too much */
async function outputOf(command: string, signal?: AbortSignal): Promise<string> {
  // In a separate process group, so that all processes that the shell has started are killed with it.
  const child = spawn(command, { shell: true, detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  const kill = () => killGroup(child.pid)
  child.once('exit', kill) // ends processes that it has left running
  process.once('exit', kill)
  signal?.addEventListener('abort', kill)
  if (signal?.aborted) kill()
  try {
    const [[code, killedBy], output] = await Promise.all([once(child, 'exit'), limitedText(child.stdout)])
    if (code !== 0)
      throw new Error(`credential_process ${code === null ? `was killed by ${killedBy}` : `exited with code ${code}`}`)
    return output
  } finally {
    process.removeListener('exit', kill)
    signal?.removeEventListener('abort', kill)
  }
}

async function limitedText(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.length
    if (size > maxOutput) throw new Error('credential_process printed more than 1 MiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // All of its processes have ended.
  }
}
