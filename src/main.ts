#!/usr/bin/env node
/** The process: from what it was started with to the code that it exits with. */
import { messageOf } from './bus/errors.ts'
import { readCommandLine } from './command-line.ts'
import { createLogger } from './logger.ts'
import { readPackage } from './package.ts'
import { readOptions } from './read-options.ts'
import { service } from './service.ts'

async function main(): Promise<number> {
  const self = readPackage()
  const commandLine = await readCommandLine(process.argv.slice(2), self.version)
  const options = await readOptions(commandLine, process.env)
  const logger = await createLogger(options, process.stdout.isTTY)
  const bus = service(options, { logger, process, package: self })
  try {
    await bus.start()
    await bus.wait('EXITING')
    return await bus.exit()
  } catch (error) {
    // The bus has logged it, and is on its way out.
    return exitCodeOf(error) ?? (await bus.exit())
  }
}

/** An error may carry the exit code that it calls for. */
function exitCodeOf(error: unknown): number | undefined {
  const { exitCode } = (error ?? {}) as { exitCode?: unknown }
  return typeof exitCode === 'number' ? exitCode : undefined
}

process.exit(
  await main().catch((error) => {
    process.stderr.write(`secret-bus: ${messageOf(error)}\n`)
    return exitCodeOf(error) ?? 70
  }),
)
