/** Creates the pino logger: JSON lines for machines, or readable text for a terminal. */
import { isatty } from 'node:tty'
import type { DestinationStream, Logger } from 'pino'
import { type DroppedLines, LogOutput } from './log-output.ts'
import { serializedError } from './serialized-error.ts'

export interface LoggerOptions {
  /** Minimum level; `info` by default. */
  readonly logLevel?: string
  /** `auto`, the default, is `pretty` on a terminal and `json` otherwise. */
  readonly logFormat?: 'auto' | 'json' | 'pretty'
}

const primitives: ReadonlySet<string> = new Set(['string', 'number', 'boolean'])

/** Receives the log, one call per line. */
export interface LogSink {
  write(text: string): unknown
  /** For audit lines, which are more important than others. */
  writeAudit?(text: string): unknown
  /** Set by the logger; called with the number of lost lines when lines are written again. */
  onDrained?: (dropped: DroppedLines) => void
}

/**
 * Creates a logger, for `log(logger)`.
 * @param terminal whether stdout is a terminal, which decides the format if it is `auto`
 * @param output the destination; stdout by default
 * @param color whether readable text is colored; by default, on a terminal
 */
export async function createLogger(
  { logLevel = 'info', logFormat = 'auto' }: LoggerOptions = {},
  terminal = isatty(1),
  output: LogSink = new LogOutput('drop'),
  color = terminal,
): Promise<Logger> {
  const { pino } = await import('pino')
  const pretty = logFormat === 'pretty' || (logFormat === 'auto' && terminal)
  const format = pretty ? await prettyFormat(color) : (line: string) => line
  const timestamp = isoTime()
  const write = (line: string, message: unknown) => {
    if (message === 'Secret accessed' && output.writeAudit) output.writeAudit(format(line))
    else output.write(format(line))
  }
  const logger = pino(
    {
      level: logLevel,
      base: null,
      timestamp,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: (error) => (error === undefined ? undefined : serializedError(error)) },
      hooks: {
        // What pino would write, in less than half of the time. The bus passes fields and a message.
        logMethod(args, method, level) {
          const [fields, message] = args as [unknown, unknown?]
          if (typeof message !== 'string' || !isFlat(fields)) return method.apply(this, args)
          const members = JSON.stringify(fields).slice(1, -1)
          const text = `{"level":"${pino.levels.labels[level]}"${timestamp()},${members && `${members},`}"msg":${JSON.stringify(message)}}\n`
          write(text, message)
        },
      },
    },
    destination(write),
  )
  output.onDrained = ({ audit, other }) => logger.warn(`Dropped ${audit + other} log lines (${audit} audit)`)
  return logger
}

/** Whether all members are strings, numbers, booleans or undefined, and none is an error, which pino serializes. */
function isFlat(fields: unknown): fields is object {
  if (typeof fields !== 'object' || fields === null || fields instanceof Error) return false
  for (const name in fields) {
    const value: unknown = fields[name as keyof typeof fields]
    if (value !== undefined && (name === 'err' || !primitives.has(typeof value))) return false
  }
  return true
}

/** Passes each line with its message. */
function destination(write: (line: string, message: unknown) => void): DestinationStream {
  return {
    // Makes pino set `lastMsg` before each line: https://github.com/pinojs/pino/blob/main/docs/api.md#metadata
    [Symbol.for('pino.metadata')]: true,
    lastMsg: undefined,
    write(line: string) {
      write(line, this.lastMsg)
    },
  } as DestinationStream & { lastMsg: string | undefined } // the type lacks the metadata
}

/** Like `pino.stdTimeFunctions.isoTime`, but formats the time only once per millisecond. */
function isoTime(): () => string {
  let at = 0
  let text = ''
  return () => {
    const now = Date.now()
    if (now !== at) text = `,"time":"${new Date(now).toISOString()}"`
    at = now
    return text
  }
}

/** Imports pino-pretty on demand: it is not needed for JSON. */
async function prettyFormat(colorize: boolean): Promise<(line: string) => string> {
  const { prettyFactory } = await import('pino-pretty')
  return prettyFactory({ colorize, translateTime: 'SYS:HH:MM:ss.l' })
}
