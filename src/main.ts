#!/usr/bin/env node
/** The entry point: parses the command line, runs the command, and exits with its exit code. */
import { homedir } from 'node:os'
import { isatty } from 'node:tty'
import { MissingProviders, messageOf } from './bus/errors.ts'
import type { ProcessBus } from './bus/process/process-bus.ts'
import { isInstance } from './bus/thrown.ts'
import { ExitError, UsageError } from './errors.ts'
import { type Command, type CommandLine, readCommandLine } from './runtime/cli/command-line.ts'
import { endProcess } from './runtime/end-process.ts'
import type { LogOutput } from './runtime/log-output.ts'
import type { Options } from './runtime/options/definitions.ts'
import { readOptions } from './runtime/options/load.ts'
import { variableWarnings } from './runtime/options/variables.ts'
import { type Package, readPackage } from './runtime/package.ts'

type CommandHandler = (options: Options, own: Package, commandLine: CommandLine) => Promise<number>

async function main(): Promise<number> {
  checkRuntime()
  const endWatch = watchOutput()
  const own = readPackage()
  const commandLine = await readCommandLine(process.argv.slice(2), own.version, process.stdout.columns)
  if (commandLine.command !== 'channels') endWatch()
  const options = await readOptions(commandLine.written, process.env)
  return commands[commandLine.command](options, own, commandLine)
}

/** The same range as `engines` in package.json, for which npm only prints a warning. */
function checkRuntime(): void {
  const { node, bun, deno } = process.versions
  const other = bun ? `Bun ${bun}` : deno && `Deno ${deno}`
  if (other) throw new UsageError(`The runtime must be Node.js, received ${other}`)
  const [major = 0, minor = 0] = node.split('.').map(Number)
  if (major > 25 || (major === 25 && minor >= 1) || (major === 24 && minor >= 12)) return
  throw new UsageError(`Node.js must be version 24.12 or later, or 25.1 or later, received ${process.version}`)
}

/** Time to end the process if that is forced, in milliseconds. */
const forcedEnd = 1_000

/**
 * The signals that end the process before the bus handles them. Only PID 1 needs handlers, because the kernel ignores
 * these signals for it. Other processes have none, because handlers do not run while a file is read synchronously.
 */
const signalsOfInit: readonly NodeJS.Signals[] = process.pid === 1 ? ['SIGTERM', 'SIGINT'] : []

function endEarly(_signal: NodeJS.Signals, number: number): void {
  void endProcess(process, 128 + number, forcedEnd)
}

// Each command imports only the modules that it needs, because a health check runs every few seconds.
const commands: Record<Command, CommandHandler> = { serve, healthcheck, channels }

async function serve(options: Options, own: Package): Promise<number> {
  ensureHome()
  const { bus, output } = await createService(options, own)
  for (const warning of variableWarnings(process.env)) bus.log('warn', warning)
  // Keeps the process alive while the bus is stopped, because a plugin may start it again.
  setInterval(() => {}, 2 ** 30)
  return endProcess(process, await codeOf(bus), bus.timeToEnd, output)
}

/** Runs the bus until it exits, and returns the exit code. */
async function codeOf(bus: ProcessBus): Promise<number> {
  try {
    for (const signal of signalsOfInit) process.off(signal, endEarly) // `start` replaces them immediately
    await bus.start()
    await bus.wait('EXITING')
    return await bus.exit()
  } catch (error) {
    // The bus has logged the error and is exiting.
    return exitCodeOf(error) ?? (await bus.exit())
  }
}

/** Creates the service with its plugins, without starting it. */
async function createService(options: Options, own: Package): Promise<{ bus: ProcessBus; output: LogOutput }> {
  const [{ createLogger }, { LogOutput }, { loadPlugins }, { service }] = await Promise.all([
    import('./runtime/logger.ts'),
    import('./runtime/log-output.ts'),
    import('./runtime/plugins.ts'),
    import('./service.ts'),
  ])
  const output = new LogOutput(options.logWhenFull)
  const logger = await createLogger(options, isatty(1), output, usesColor())
  const bus = service(options, {
    logger,
    process,
    package: own,
    end: (code) => endProcess(process, code, forcedEnd, output),
    dropped: () => output.dropped,
    plugins: await loadPlugins(options),
  })
  return { bus, output }
}

async function channels(options: Options, own: Package, { format, channels }: CommandLine): Promise<number> {
  const { printChannels } = await import('./runtime/cli/channels.ts')
  const { bus } = await createService(options, own)
  process.stdout.write(`${printChannels(bus.topology(), channels, format)}\n`)
  return 0
}

async function healthcheck(options: Options): Promise<number> {
  const { healthcheck } = await import('./runtime/cli/healthcheck.ts')
  await healthcheck(options)
  process.stdout.write('healthy\n')
  return 0
}

/**
 * The AWS SDK looks for its files in the home directory, and fails if there is none: neither `HOME` nor an entry in the
 * password file. Docker uses `/` in that case.
 */
function ensureHome(): void {
  try {
    homedir()
  } catch {
    process.env['HOME'] = '/'
  }
}

/** See https://force-color.org and https://no-color.org. Empty variables count as unset. */
function usesColor(): boolean {
  const { FORCE_COLOR: force, NO_COLOR: no, TERM: terminal } = process.env
  if (force) return force !== '0' && force !== 'false'
  return process.stdout.isTTY && !no && terminal !== 'dumb'
}

/**
 * Makes the process fail if its output cannot be written, because the disk is full or the reader has closed it. yargs
 * and `console.log` ignore that.
 * @returns a function that ends the watch, for commands whose result is not their output
 */
function watchOutput(): () => void {
  process.stdout.on('error', () => {}) // emitted too late for an exit that follows the write
  const onExit = (code: number) => {
    const { errored } = process.stdout
    if (code !== 0 || !errored) return
    process.stderr.write(`secret-bus: Failed to write to stdout: ${messageOf(errored)}\n`)
    process.exitCode = 70
  }
  process.once('exit', onExit)
  return () => process.off('exit', onExit)
}

function exitCodeOf(error: unknown): number | undefined {
  // The built-in subscribers provide all their requests, so a plugin or `--without` is the cause. `EX_CONFIG` of
  // sysexits.h.
  if (isInstance(error, MissingProviders)) return 78
  return isInstance(error, ExitError) ? error.exitCode : undefined
}

for (const signal of signalsOfInit) process.on(signal, endEarly)

const code = await main().catch((error) => {
  process.stderr.write(`secret-bus: ${messageOf(error)}\n`)
  return exitCodeOf(error) ?? 70
})
await endProcess(process, code, forcedEnd)
