/** Runs a service as the program of its process: parses the command line, runs the command, returns the exit code. */
import { isatty } from 'node:tty'
import { ChannelFailures, MissingProviders, messageOf } from '../bus/errors.ts'
import type { ProcessBus } from '../bus/process/process-bus.ts'
import { isInstance } from '../bus/thrown.ts'
import { ExitError } from '../errors.ts'
import type { Tracing } from '../tracing/start.ts'
import { type CommandLine, previewCommandLine, readCommandLine } from './cli/command-line.ts'
import type { HealthcheckOptions } from './cli/healthcheck.ts'
import type { Service, ServiceOptions } from './define-service.ts'
import { endProcess, finishOutput } from './end-process.ts'
import { checkRuntime, ensureHome, usesColor, watchOutput } from './environment.ts'
import type { LogOutput } from './log-output.ts'
import type { EffectiveOption } from './options/effective.ts'
import { type AllValues, effectiveOptions, readOptions, valuesByOwner } from './options/load.ts'
import type { OptionRecord, ResolvedOption } from './options/option.ts'
import { variableWarnings } from './options/variables.ts'
import type { ImportedPlugin } from './plugins/plugins.ts'

/** One run of the program. */
interface Run {
  readonly service: Service
  readonly process: NodeJS.Process
  readonly tracing: Tracing | undefined
  readonly plugins: readonly ImportedPlugin[]
  /** Those of the service, of every service, and of the plugins. */
  readonly options: readonly ResolvedOption[]
  readonly effective: readonly EffectiveOption[]
  readonly commandLine: CommandLine
  /** Called immediately before the bus starts, and with it handles signals. */
  readonly onStart: () => void
}

type CommandHandler = (run: Run, values: AllValues) => Promise<number>

/** Time to end the process if that is forced, in milliseconds. */
const forcedEnd = 1_000

// Each command imports only the modules that it needs, because a health check runs every few seconds.
const commands: Readonly<Record<string, CommandHandler>> = { serve, healthcheck, channels }

/**
 * Runs the service with the arguments and the environment of the process:
 * `process.exit(await run(service, process))`. When it returns, the log has been written, and nothing delays the exit;
 * if a thread is blocked, it ends the process itself.
 * @returns the exit code
 */
export async function run<Declared extends OptionRecord>(
  definition: Service<Declared>,
  process: NodeJS.Process,
): Promise<number> {
  // The options are validated against the declaration, so the type of the declaration does not matter from here on.
  const service = definition as unknown as Service
  const endEarly = (_signal: NodeJS.Signals, number: number) => void endProcess(process, 128 + number, forcedEnd)
  for (const signal of signalsOfInit(process)) process.on(signal, endEarly)
  try {
    const code = await runCommand(service, process, () => {
      for (const signal of signalsOfInit(process)) process.off(signal, endEarly)
    })
    await finishOutput(process, forcedEnd)
    return code
  } catch (error) {
    process.stderr.write(`${service.name}: ${messageOf(error)}\n`)
    await finishOutput(process, forcedEnd)
    return exitCodeOf(error) ?? 70
  }
}

/**
 * The signals that end the process before the bus handles them. Only PID 1 needs handlers, because the kernel ignores
 * these signals for it. Other processes have none, because handlers do not run while a file is read synchronously.
 */
function signalsOfInit({ pid }: NodeJS.Process): readonly NodeJS.Signals[] {
  return pid === 1 ? ['SIGTERM', 'SIGINT'] : []
}

async function runCommand(service: Service, process: NodeJS.Process, onStart: () => void): Promise<number> {
  checkRuntime(process)
  const endWatch = watchOutput(process, service.name)
  const args = process.argv.slice(2)
  const preview = previewCommandLine(args, service.resolved)
  const ownCommand = Object.hasOwn(service.commands ?? {}, preview.command)
  const tracing = await tracingOf(service, process, preview)
  const plugins = preview.command === 'healthcheck' || ownCommand ? [] : await pluginsOf(service, process, preview)
  const options = [...service.resolved, ...plugins.flatMap((plugin) => plugin.options)]
  const ignoreUnknown = preview.command === 'healthcheck'
  const commandLine = await readCommandLine(args, { ...service, options, columns: process.stdout.columns })
  if (commandLine.command !== 'channels') endWatch()
  const command = service.commands?.[commandLine.command]
  if (command) return command.run(commandLine.args, process)
  const sources = { commandLine: commandLine.written, environment: process.env, ignoreUnknown }
  const effective = await effectiveOptions(options, sources)
  const handler = commands[commandLine.command]
  if (!handler) throw new Error(`No handler for command ${commandLine.command}`)
  const run = { service, process, tracing, plugins, options, effective, commandLine, onStart }
  return handler(run, valuesByOwner(effective))
}

/** Starts tracing before the plugins are imported. Without a variable of OpenTelemetry, it loads nothing. */
async function tracingOf(
  { info }: Service,
  { env }: NodeJS.Process,
  { command, isHelp }: ReturnType<typeof previewCommandLine>,
): Promise<Tracing | undefined> {
  if (command !== 'serve' || isHelp || !Object.keys(env).some((name) => name.startsWith('OTEL_'))) return undefined
  const { startTracing } = await import('../tracing/start.ts')
  return startTracing(info, env)
}

/** Imports the plugins, before the other options are known. The help is printed even if a plugin cannot be used. */
async function pluginsOf(
  service: Service,
  process: NodeJS.Process,
  { written, isHelp }: ReturnType<typeof previewCommandLine>,
): Promise<ImportedPlugin[]> {
  const warn = (error: unknown) => void process.stderr.write(`${service.name}: ${messageOf(error)}\n`)
  try {
    const needed = service.resolved.filter(({ name }) => name === 'plugins' || name === 'config')
    const sources = { commandLine: written, environment: process.env, ignoreUnknown: true }
    const { plugins } = (await readOptions(needed, sources))[''] as { readonly plugins: readonly string[] } // a core option
    if (plugins.length === 0) return []
    const { importPlugins } = await import('./plugins/plugins.ts')
    return await importPlugins(plugins, service, isHelp ? warn : undefined)
  } catch (error) {
    if (!isHelp) throw error
    warn(error)
    return []
  }
}

async function serve(run: Run, values: AllValues): Promise<number> {
  const { service, process, options } = run
  ensureHome(process)
  const { bus, output } = await createService(run, values)
  const warnings = variableWarnings(service.info, options, process.env)
  for (const warning of [...warnings, ...(run.tracing?.warnings ?? [])]) bus.log('warn', warning)
  // Keeps the process alive while the bus is stopped, because a plugin may start it again.
  const alive = setInterval(() => {}, 2 ** 30)
  run.onStart()
  const code = await codeOf(bus)
  clearInterval(alive)
  await finishOutput(process, bus.timeToEnd, output)
  return code
}

/** Runs the bus until it exits, and returns the exit code. */
async function codeOf(bus: ProcessBus): Promise<number> {
  try {
    await bus.start()
    await bus.wait('EXITING')
    return await bus.exit()
  } catch (error) {
    // The bus has logged the error and is exiting.
    return exitCodeOf(error) ?? (await bus.exit())
  }
}

/** Creates the service with its plugins, without starting it. */
async function createService(
  { service, process, tracing, plugins, effective }: Run,
  values: AllValues,
): Promise<{ bus: ProcessBus; output: LogOutput }> {
  const [{ createLogger }, { LogOutput }, { assemble }] = await Promise.all([
    import('./logger.ts'),
    import('./log-output.ts'),
    import('./assemble.ts'),
  ])
  const options = values[''] as ServiceOptions<OptionRecord> // as declared by the service
  const output = new LogOutput(options.logWhenFull)
  const logger = await createLogger(options, isatty(1), output, usesColor(process))
  const bus = await assemble(service, options, {
    logger,
    process,
    environment: process.env,
    end: (code) => endProcess(process, code, forcedEnd, output),
    dropped: () => output.dropped,
    effective,
    tracing: tracing?.subscriber,
    plugins: plugins.length === 0 ? {} : await createdPlugins(plugins, service, values),
  })
  return { bus, output }
}

async function createdPlugins(plugins: readonly ImportedPlugin[], service: Service, values: AllValues) {
  const { createPlugins } = await import('./plugins/plugins.ts')
  return createPlugins(plugins, service, values)
}

async function channels(run: Run, values: AllValues): Promise<number> {
  const { printChannels } = await import('./cli/channels.ts')
  const { bus } = await createService(run, values)
  const { args, format } = run.commandLine
  run.process.stdout.write(`${printChannels(bus.topology(), args, format)}\n`)
  return 0
}

async function healthcheck({ process }: Run, values: AllValues): Promise<number> {
  const { healthcheck } = await import('./cli/healthcheck.ts')
  await healthcheck(values[''] as unknown as HealthcheckOptions) // it checks that the service declares them
  process.stdout.write('healthy\n')
  return 0
}

function exitCodeOf(error: unknown): number | undefined {
  // The built-in subscribers provide all their requests, so a plugin or `--without` is the cause. `EX_CONFIG` of
  // sysexits.h.
  if (isInstance(error, MissingProviders)) return 78
  if (isInstance(error, ChannelFailures)) return error.errors.map(exitCodeOf).find((code) => code !== undefined)
  return isInstance(error, ExitError) ? error.exitCode : undefined
}
