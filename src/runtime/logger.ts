/** The pino that the log of the bus is written with: JSON lines, or something for people on a terminal. */
import { type DestinationStream, type Logger, pino } from 'pino'
import { messageOf } from '../bus/errors.ts'

export interface LoggerOptions {
  readonly logLevel: string
  readonly logFormat: 'auto' | 'json' | 'pretty'
}

/** How long a line may wait for others, to be written with them, in milliseconds. */
const patience = 50

/** How much is written at a time, in characters, if so much comes before that is over. */
const fill = 16 * 1024

/**
 * @param terminal whether a person is looking, which `auto` goes by
 * @param output where to write; stdout when not given
 */
export async function createLogger(
  { logLevel, logFormat }: LoggerOptions,
  terminal: boolean,
  output?: DestinationStream,
): Promise<Logger> {
  const pretty = logFormat === 'pretty' || (logFormat === 'auto' && terminal)
  return pino(
    {
      level: logLevel,
      base: null,
      timestamp: isoTime(),
      formatters: { level: (level) => ({ level }) },
      serializers: { err: (error) => (error === undefined ? undefined : describe(error)) },
    },
    pretty ? await prettyStream(terminal, output ?? pino.destination({ sync: true })) : (output ?? together()),
  )
}

/**
 * Lines for machines are written together, since a call of the system costs more than a line. None is lost when the process
 * ends, unless it is killed.
 */
function together(): DestinationStream {
  const stdout = pino.destination({ sync: true })
  // Whoever read may be gone, or the disk full: the log cannot be told that the log fails.
  stdout.on('error', () => {})
  let lines = ''
  let waiting = false
  const write = () => {
    if (lines !== '') stdout.write(lines)
    lines = ''
  }
  const onPatienceOver = () => {
    waiting = false
    write()
  }
  process.once('exit', write)
  return {
    write: (line) => {
      lines += line
      if (lines.length >= fill) write()
      if (waiting) return
      waiting = true
      setTimeout(onPatienceOver, patience).unref()
    },
  }
}

/** Pino's own, but made once for all lines of a millisecond. */
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

/** Loaded only here: where logs are read by machines it is never needed. */
async function prettyStream(colorize: boolean, destination: DestinationStream): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty')
  return pretty({ colorize, destination, translateTime: 'SYS:HH:MM:ss.l' })
}

/** Causes are followed that far; an error may be its own. */
const deepest = 5

/**
 * An error in the log. One with a code is known, and says all in its messages; of any other the stack is needed. The
 * message of a parse error is left out, wherever it stands, since it quotes what could not be read.
 */
function describe(error: unknown, known = false, depth = 1): object {
  const message = messageOf(error)
  if (!(error instanceof Error)) return { message }
  const code = 'code' in error ? error.code : undefined
  const plain = known || code !== undefined
  const stack = error instanceof SyntaxError ? [message, ...framesOf(error)].join('\n') : error.stack
  const cause = error.cause === undefined || depth === deepest ? undefined : describe(error.cause, plain, depth + 1)
  return { type: error.name, message, code, stack: plain ? undefined : stack, cause }
}

function framesOf({ stack = '' }: Error): string[] {
  return stack.split('\n').filter((line) => /^ {4}at \S/.test(line))
}
