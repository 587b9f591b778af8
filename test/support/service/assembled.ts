/** The service as the process makes it, but in this one, and what it has logged. */
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { ProcessBus } from '../../../src/bus/process/process-bus.ts'
import { readOptions } from '../../../src/runtime/options/load.ts'
import { service } from '../../../src/service.ts'

export interface Assembled {
  readonly bus: ProcessBus
  /** What it has logged so far, line by line. */
  readonly lines: readonly string[]
  /** The same, parsed. */
  logged(): Record<string, unknown>[]
  /** Where it listens, once it does. */
  origin(): string
}

export const ownPackage = {
  name: 'secret-bus',
  version: '1.2.3',
  description: 'A secret',
  license: 'MIT',
  container: 'https://example.com/image',
  project: 'https://example.com/project',
}

/**
 * Assembles the service, on a free port if none is given. It is stopped when the test is finished.
 * @param flags the options by flag; a list is an option given several times
 */
export async function assembled(
  flags: Readonly<Record<string, string | readonly string[]>> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<Assembled> {
  const written = Object.entries({ port: '0', ...flags }).map(([flag, value]) => [flag, [value].flat()] as const)
  const options = await readOptions(new Map(written), environment)
  const lines: string[] = []
  const logger = pino({ level: options.logLevel }, { write: (line: string) => lines.push(line) })
  const bus = service(options, { logger, process, package: ownPackage })
  onTestFinished(async () => {
    await bus.exit()
  })
  const logged = () => lines.map((line) => JSON.parse(line))
  const origin = () => String(logged().findLast(({ address }) => address !== undefined)?.address)
  return { bus, lines, logged, origin }
}
