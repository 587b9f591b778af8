/** Describes the machine and the versions of a run. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  /** In GB. */
  readonly memory: number
  readonly system: string
  readonly node: string
  /** Versions of the service and of the compared libraries. */
  readonly versions: Readonly<Record<string, string>>
}

export function machine(): Machine {
  const read = (path: string) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
  const own = read('../package.json')
  const peers: Record<string, string> = read('package.json').dependencies
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory: Math.round(totalmem() / 1e9),
    system: `${type()} ${release()}`,
    node: process.version,
    versions: { 'secret-bus': `${own.version} (${revision()})`, ...peers },
  }
}

function revision(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return 'unknown revision'
  }
}
