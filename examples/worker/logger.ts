/** A logger without a library: one line of JSON per record. */
import type { Logger, LogLevel } from '@secret-bus/bus'

/** @param write receives each line */
export function jsonLogger(write: (line: string) => unknown): Logger {
  const at = (level: LogLevel) => (fields: object, message: string) => {
    const { err, ...rest } = fields as { readonly err?: unknown } // by the convention of the bus
    const stack = err instanceof Error ? err.stack : undefined
    write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...rest, stack })}\n`)
  }
  const [trace, debug, info, warn, error, fatal] = [
    at('trace'),
    at('debug'),
    at('info'),
    at('warn'),
    at('error'),
    at('fatal'),
  ]
  return { trace, debug, info, warn, error, fatal, isLevelEnabled: (level) => level !== 'trace' && level !== 'debug' }
}
