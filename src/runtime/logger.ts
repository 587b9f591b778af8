/** Creates the pino logger: JSON lines for machines, or readable text for a terminal. */
import { type DestinationStream, type Logger, pino } from 'pino'
import { serializedError } from './serialized-error.ts'

export interface LoggerOptions {
  readonly logLevel: string
  readonly logFormat: 'auto' | 'json' | 'pretty'
}

/** The longest time that a line stays in the buffer, in milliseconds. */
const flushInterval = 50

/** The size at which the buffer is written before the interval ends, in characters. */
const flushSize = 16 * 1024

/**
 * @param terminal whether stdout is a terminal, which decides the format if it is `auto`
 * @param output the destination; stdout by default
 * @param color whether readable text is colored; by default, on a terminal
 */
export async function createLogger(
  { logLevel, logFormat }: LoggerOptions,
  terminal: boolean,
  output?: DestinationStream,
  color = terminal,
): Promise<Logger> {
  const pretty = logFormat === 'pretty' || (logFormat === 'auto' && terminal)
  return pino(
    {
      level: logLevel,
      base: null,
      timestamp: isoTime(),
      formatters: { level: (level) => ({ level }) },
      serializers: { err: (error) => (error === undefined ? undefined : serializedError(error)) },
    },
    pretty ? await prettyStream(color, output ?? pino.destination({ sync: true })) : (output ?? bufferedStdout()),
  )
}

/**
 * Buffers JSON lines, because a system call per line costs more than the line itself. The buffer is flushed when the
 * process exits, unless it is killed.
 */
function bufferedStdout(): DestinationStream {
  const stdout = pino.destination({ sync: true })
  // If the reader is gone or the disk is full, there is nowhere left to report it.
  stdout.on('error', () => {})
  let buffer = ''
  let scheduled = false
  const flush = () => {
    if (buffer !== '') stdout.write(buffer)
    buffer = ''
  }
  const onInterval = () => {
    scheduled = false
    flush()
  }
  process.once('exit', flush)
  return {
    write: (line) => {
      buffer += line
      if (buffer.length >= flushSize) flush()
      if (scheduled) return
      scheduled = true
      setTimeout(onInterval, flushInterval).unref()
    },
  }
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
async function prettyStream(colorize: boolean, destination: DestinationStream): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty')
  return pretty({ colorize, destination, translateTime: 'SYS:HH:MM:ss.l' })
}
