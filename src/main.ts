#!/usr/bin/env node
/** The process: from what it was started with to the code that it exits with. */
import { messageOf } from './bus/errors.ts'
import { type Command, readCommandLine } from './command-line.ts'
import { ExitError } from './option-errors.ts'
import type { Options } from './options.ts'
import { type Package, readPackage } from './package.ts'
import { readOptions } from './read-options.ts'

type Run = (options: Options, self: Package) => Promise<number>

async function main(): Promise<number> {
  const self = readPackage()
  const { command, written } = await readCommandLine(process.argv.slice(2), self.version)
  const options = await readOptions(written, process.env)
  return commands[command](options, self)
}

// Each loads only what it needs: a health check is run every few seconds.
const commands: Record<Command, Run> = { serve, healthcheck }

async function serve(options: Options, self: Package): Promise<number> {
  const [{ createLogger }, { loadPlugins }, { service }] = await Promise.all([
    import('./logger.ts'),
    import('./plugins.ts'),
    import('./service.ts'),
  ])
  const logger = await createLogger(options, process.stdout.isTTY)
  const bus = service(options, { logger, process, package: self, plugins: await loadPlugins(options) })
  // A bus that was stopped, and may be started again, has nothing else to live on.
  setInterval(() => {}, 2 ** 30)
  try {
    await bus.start()
    await bus.wait('EXITING')
    return await bus.exit()
  } catch (error) {
    // The bus has logged it, and is on its way out.
    return exitCodeOf(error) ?? (await bus.exit())
  }
}

async function healthcheck(options: Options): Promise<number> {
  const { healthcheck } = await import('./healthcheck.ts')
  await healthcheck(options)
  process.stdout.write('healthy\n')
  return 0
}

function exitCodeOf(error: unknown): number | undefined {
  return error instanceof ExitError ? error.exitCode : undefined
}

process.exit(
  await main().catch((error) => {
    process.stderr.write(`secret-bus: ${messageOf(error)}\n`)
    return exitCodeOf(error) ?? 70
  }),
)
