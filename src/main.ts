#!/usr/bin/env node
/** The process: from what it was started with to the code that it exits with. */
import { messageOf, UnmetNeeds } from './bus/errors.ts'
import type { ProcessBus } from './bus/process-bus.ts'
import type { Topology, Wired } from './bus/topology.ts'
import { type Command, type CommandLine, readCommandLine } from './command-line.ts'
import { ExitError, UsageError } from './option-errors.ts'
import type { Options } from './options.ts'
import { type Package, readPackage } from './package.ts'
import { readOptions } from './read-options.ts'

/** As in `engines` of the package, which npm only warns of. */
const oldest = 24

type Run = (options: Options, self: Package, commandLine: CommandLine) => Promise<number>

async function main(): Promise<number> {
  const [major] = process.versions.node.split('.')
  if (Number(major) < oldest) throw new UsageError(`needs Node.js ${oldest} or newer; this is ${process.version}`)
  const self = readPackage()
  const commandLine = await readCommandLine(process.argv.slice(2), self.version)
  const options = await readOptions(commandLine.written, process.env)
  return commands[commandLine.command](options, self, commandLine)
}

// Each loads only what it needs: a health check is run every few seconds.
const commands: Record<Command, Run> = { serve, healthcheck, channels }

async function serve(options: Options, self: Package): Promise<number> {
  const bus = await wire(options, self)
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

/** The service with its plug-ins; nothing has started. */
async function wire(options: Options, self: Package): Promise<ProcessBus> {
  const [{ createLogger }, { loadPlugins }, { service }] = await Promise.all([
    import('./logger.ts'),
    import('./plugins.ts'),
    import('./service.ts'),
  ])
  const logger = await createLogger(options, process.stdout.isTTY)
  return service(options, { logger, process, package: self, plugins: await loadPlugins(options) })
}

async function channels(options: Options, self: Package, { format, channels }: CommandLine): Promise<number> {
  const { topologyFormats } = await import('./bus/topology-formats.ts')
  const bus = await wire(options, self)
  process.stdout.write(`${topologyFormats[format](named(channels, bus.topology()))}\n`)
  return 0
}

/** @throws UsageError if a name stands for no channel */
function named(names: readonly string[], topology: Topology): Topology {
  const isNamed = (name: string, { channel }: Wired) =>
    name.endsWith('*') ? channel.startsWith(name.slice(0, -1)) : channel === name
  const unknown = names.find((name) => !topology.some((wired) => isNamed(name, wired)))
  if (unknown !== undefined) throw new UsageError(`there is no channel ${JSON.stringify(unknown)}`)
  return names.length === 0 ? topology : topology.filter((wired) => names.some((name) => isNamed(name, wired)))
}

async function healthcheck(options: Options): Promise<number> {
  const { healthcheck } = await import('./healthcheck.ts')
  await healthcheck(options)
  process.stdout.write('healthy\n')
  return 0
}

function exitCodeOf(error: unknown): number | undefined {
  // The program's own wiring is whole: a plug-in needs more, or somebody was left out. `EX_CONFIG` of sysexits.h.
  if (error instanceof UnmetNeeds) return 78
  return error instanceof ExitError ? error.exitCode : undefined
}

process.exit(
  await main().catch((error) => {
    process.stderr.write(`secret-bus: ${messageOf(error)}\n`)
    return exitCodeOf(error) ?? 70
  }),
)
