/** The service in this process, assembled like in `main.ts`, with its log. */
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { ProcessBus } from '../../../src/bus/process/process-bus.ts'
import { serviceInfo } from '../../../src/bus/process/service-info.ts'
import { assemble, type Dependencies } from '../../../src/runtime/assemble.ts'
import { secretBus } from '../../../src/service.ts'
import { readOptions } from './options.ts'

export interface AssembledService {
  readonly bus: ProcessBus
  /** The log lines so far. */
  readonly lines: readonly string[]
  /** The log lines so far, parsed. */
  logged(): Record<string, unknown>[]
  /** The URL that it listens on; valid once the bus is started. */
  origin(): string
}

export const ownPackage = {
  name: 'secret-bus',
  version: '1.2.3',
  description: 'A secret',
  license: 'MIT',
  container: 'https://example.com/image',
  homepage: 'https://example.com/project',
}

/**
 * Assembles the service, on a free port by default. It exits when the test has finished.
 * @param flags the options by flag; an array stands for a repeated option
 */
export async function assembleService(
  flags: Readonly<Record<string, string | readonly string[]>> = {},
  environment: Readonly<Record<string, string>> = {},
  parts: Pick<Dependencies, 'tracing' | 'plugins'> = {},
): Promise<AssembledService> {
  const rawFlags = Object.entries({ port: '0', ...flags }).map(([flag, value]) => [flag, [value].flat()] as const)
  const options = await readOptions(new Map(rawFlags), environment)
  const lines: string[] = []
  const logger = pino({ level: options.logLevel }, { write: (line: string) => lines.push(line) })
  const service = { ...secretBus, info: serviceInfo(ownPackage) }
  const bus = await assemble(service, options, { logger, process, environment, ...parts })
  onTestFinished(async () => {
    await bus.exit()
  })
  const logged = () => lines.map((line) => JSON.parse(line))
  const origin = () => String(logged().findLast(({ msg }) => String(msg).startsWith('Listening on'))?.address)
  return { bus, lines, logged, origin }
}
