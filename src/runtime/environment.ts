/** What a program needs from its environment: the runtime, a home directory, and an output. */
import { homedir } from 'node:os'
import { messageOf } from '../bus/errors.ts'
import { UsageError } from '../errors.ts'

/**
 * The same range as `engines` in package.json, for which npm only prints a warning.
 * @throws UsageError
 */
export function checkRuntime({ versions, version }: NodeJS.Process): void {
  const { node, bun, deno } = versions
  const other = bun ? `Bun ${bun}` : deno && `Deno ${deno}`
  if (other) throw new UsageError(`The runtime must be Node.js, received ${other}`)
  const [major = 0, minor = 0] = node.split('.').map(Number)
  if (major > 25 || (major === 25 && minor >= 1) || (major === 24 && minor >= 12)) return
  throw new UsageError(`Node.js must be version 24.12 or later, or 25.1 or later, received ${version}`)
}

/**
 * The AWS SDK looks for its files in the home directory, and fails if there is none: neither `HOME` nor an entry in the
 * password file. Docker uses `/` in that case.
 */
export function ensureHome({ env }: NodeJS.Process): void {
  try {
    homedir()
  } catch {
    env['HOME'] = '/'
  }
}

/** See https://force-color.org and https://no-color.org. Empty variables count as unset. */
export function usesColor({ env, stdout }: NodeJS.Process): boolean {
  const { FORCE_COLOR: force, NO_COLOR: no, TERM: terminal } = env
  if (force) return force !== '0' && force !== 'false'
  return stdout.isTTY && !no && terminal !== 'dumb'
}

/**
 * Makes the process fail if its output cannot be written, because the disk is full or the reader has closed it. yargs
 * and `console.log` ignore that.
 * @param name the program, for the error
 * @returns a function that ends the watch, for commands whose result is not their output
 */
export function watchOutput(process: NodeJS.Process, name: string): () => void {
  process.stdout.on('error', () => {}) // emitted too late for an exit that follows the write
  const onExit = (code: number) => {
    const { errored } = process.stdout
    if (code !== 0 || !errored) return
    process.stderr.write(`${name}: Failed to write to stdout: ${messageOf(errored)}\n`)
    process.exitCode = 70
  }
  process.once('exit', onExit)
  return () => process.off('exit', onExit)
}
