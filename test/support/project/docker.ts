/** The Docker engine of this machine, by its own command line. */
import { execFile, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Whether there is an engine. */
export const engine = spawnSync('docker', ['info']).status === 0

/** Compose as it comes: by itself, or with the engine. */
export const compose =
  spawnSync('docker-compose', ['version']).status === 0 ? ['docker-compose'] : ['docker', 'compose']

/** What the command writes; rejects with what it complains of. */
export async function run(command: string, args: readonly string[], options: { readonly cwd?: string } = {}) {
  const { stdout } = await promisify(execFile)(command, args, { ...options, maxBuffer: 2 ** 26 })
  return stdout.trim()
}

export const docker = (...args: string[]) => run('docker', args)

export async function inspect<Thing>(name: string, format: string): Promise<Thing> {
  return JSON.parse(await docker('inspect', '--format', `{{json ${format}}}`, name))
}

/** A copy of what git keeps, as a clone would have it, and how to take it away. */
export async function freshTree(): Promise<{ folder: string; remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'secret-bus-tree-'))
  const files = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
  for (const file of files.split('\n')) cpSync(join(root, file), join(folder, file))
  return { folder, remove: () => rmSync(folder, { recursive: true }) }
}
