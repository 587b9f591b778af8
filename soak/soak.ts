/**
 * A bounded load on the service, with faults of its source and reloads mixed in: `npm run soak -- --help`. It shows whether
 * all is answered as documented, whether memory grows, and whether anything is left when the load has gone.
 */
import { existsSync } from 'node:fs'
import { inspect, parseArgs } from 'node:util'
import { report, whatIsWrong } from './report.ts'
import { run } from './run.ts'

const usage = `npm run soak -- [--minutes N]

Puts the service under load, with faults and reloads, for N minutes: 0.1 to 60, and 2 when not given. Needs Linux.
Exit codes: 0 all is well, 1 something is not, 64 wrong usage, 69 no Linux, 70 the soak itself failed, 130 interrupted.`

const interruption = new AbortController()

async function main(): Promise<number> {
  const minutes = readMinutes()
  if (minutes === undefined) return say(usage, 0)
  if (!(minutes >= 0.1 && minutes <= 60)) return say(`--minutes must be a number from 0.1 to 60\n\n${usage}`, 64)
  if (!existsSync('/proc/self/status')) return say('This needs Linux, whose /proc says what a process holds.', 69)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interruption.abort())
  say(`Minutes of load: ${minutes} ...`)
  const result = await run(minutes, interruption.signal)
  const wrong = whatIsWrong(result)
  say(report(result))
  return wrong.length === 0 ? say('All is well.', 0) : say(['Not all is well:', ...wrong].join('\n  '), 1)
}

/** `NaN` for whatever is wrong, and `undefined` where help is asked for. */
function readMinutes(): number | undefined {
  try {
    const { values } = parseArgs({ options: { minutes: { type: 'string', default: '2' }, help: { type: 'boolean' } } })
    return values.help ? undefined : Number(values.minutes)
  } catch {
    return Number.NaN
  }
}

function say(text: string, exitCode = 0): number {
  process.stdout.write(`${text}\n`)
  return exitCode
}

process.exit(
  await main().catch((error) => {
    if (interruption.signal.aborted) return say('Interrupted.', 130)
    return say(`The soak could not go on: ${inspect(error)}`, 70)
  }),
)
