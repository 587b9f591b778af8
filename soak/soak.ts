/**
 * Soak test: loads the service during faults of its source and reloads; see `npm run soak -- --help`. It detects
 * undocumented responses, memory growth, and files and resources that leak.
 */
import { existsSync } from 'node:fs'
import { inspect, parseArgs } from 'node:util'
import { problemsOf, report } from './report.ts'
import { run } from './run.ts'

const usage = `npm run soak -- [--minutes N]

Loads the service for N minutes, with faults and reloads: 0.1 to 60 [default: 2]. Requires Linux.
Exit codes: 0 passed, 1 problems found, 64 usage error, 69 not on Linux, 70 internal failure, 130 interrupted.`

const interruption = new AbortController()

async function main(): Promise<number> {
  const minutes = readMinutes()
  if (minutes === undefined) return print(usage, 0)
  if (!(minutes >= 0.1 && minutes <= 60)) return print(`--minutes must be a number from 0.1 to 60\n\n${usage}`, 64)
  if (!existsSync('/proc/self/status')) return print('The soak test requires Linux: it reads /proc.', 69)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interruption.abort())
  print(`Loading the service for ${minutes} min ...`)
  const result = await run(minutes, interruption.signal)
  const problems = problemsOf(result)
  print(report(result))
  return problems.length === 0 ? print('Passed.', 0) : print(['Problems found:', ...problems].join('\n  '), 1)
}

/** Returns `NaN` for invalid arguments and `undefined` for `--help`. */
function readMinutes(): number | undefined {
  try {
    const { values } = parseArgs({ options: { minutes: { type: 'string', default: '2' }, help: { type: 'boolean' } } })
    return values.help ? undefined : Number(values.minutes)
  } catch {
    return Number.NaN
  }
}

function print(text: string, exitCode = 0): number {
  process.stdout.write(`${text}\n`)
  return exitCode
}

process.exit(
  await main().catch((error) => {
    if (interruption.signal.aborted) return print('Interrupted.', 130)
    return print(`The soak test failed to run: ${inspect(error)}`, 70)
  }),
)
