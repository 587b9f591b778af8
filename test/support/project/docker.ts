/** Runs Docker commands on this machine. */
import { execFile, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Whether a Docker engine is available. */
export const engine = spawnSync('docker', ['info']).status === 0

/** The compose command: the standalone program, or the plugin of Docker. */
export const compose =
  spawnSync('docker-compose', ['version']).status === 0 ? ['docker-compose'] : ['docker', 'compose']

/** Runs a command and returns its trimmed stdout. Rejects if the command fails. */
export async function run(command: string, args: readonly string[], options: { readonly cwd?: string } = {}) {
  const { stdout } = await promisify(execFile)(command, args, { ...options, maxBuffer: 2 ** 26 })
  return stdout.trim()
}

export const docker = (...args: string[]) => run('docker', args)

export async function inspect<Thing>(name: string, format: string): Promise<Thing> {
  return JSON.parse(await docker('inspect', '--format', `{{json ${format}}}`, name))
}

/** Copies the tracked and new files, without ignored ones, to a temporary folder. */
export async function freshTree(): Promise<{ folder: string; remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'secret-bus-tree-'))
  const files = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
  for (const file of files.split('\n')) cpSync(join(root, file), join(folder, file))
  return { folder, remove: () => rmSync(folder, { recursive: true }) }
}
