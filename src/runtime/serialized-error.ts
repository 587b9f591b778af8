/** Serializes errors for the log. Accepts any thrown value, and never throws. */
import { codeOf, messageOf } from '../bus/errors.ts'
import { isParseError, propertyOf } from '../bus/thrown.ts'

/** Errors of the service and the bus whose message is sufficient: where they were created does not matter. */
const withoutStack: ReadonlySet<unknown> = new Set([
  'SOURCE_STARTING',
  'SOURCE_THROTTLED',
  'SOURCE_TIMEOUT',
  'SOURCE_UNAVAILABLE',
  'SOURCE_REFUSED',
  'SECRET_NOT_FOUND',
  'UNAUTHORIZED',
  'CLIENT_CERTIFICATE_REQUIRED',
  'CLIENT_CERTIFICATE_INVALID',
  'OVERLOADED',
  'USAGE',
  'UNUSABLE_FILE',
  'NO_REGION',
  'NO_EMULATOR',
  'BUS_CHANNEL_FAILURES',
  'BUS_LISTENER_TIMEOUT',
  'BUS_REQUEST_TIMEOUT',
  'BUS_MISSING_PROVIDERS',
  'BUS_EXITING',
  'BUS_SHUTDOWN_TIMEOUT',
])

/** Errors of this type are bugs, also as the cause of an expected error. */
const bugs: ReadonlySet<unknown> = new Set(['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError'])

/** The maximum depth of a chain of causes, which may be circular. */
const maxDepth = 5

/** The maximum number of errors in one line, with all causes and reasons. */
const maxErrors = 20

/**
 * Serializes an error with its causes and, as in an `AggregateError`, its reasons. The message of a parse error is
 * replaced everywhere, including the stack, because it quotes text that may be secret.
 */
export function serializedError(error: unknown): object {
  let left = maxErrors
  const serialize = (thrown: unknown, depth: number, expected: boolean): object => {
    left -= 1
    const message = messageOf(thrown)
    const code = codeOf(thrown)
    // A cause, such as a missing file, explains an expected error, unless it is a bug.
    const short = withoutStack.has(code) || (expected && (code !== undefined || !bugs.has(propertyOf(thrown, 'name'))))
    const nested = (value: unknown) =>
      value === undefined || depth === maxDepth || left <= 0 ? undefined : serialize(value, depth + 1, short)
    const reasons = reasonsOf(thrown).map(nested).filter(Boolean)
    return {
      type: stringOf(thrown, 'name'),
      message,
      code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
      stack: short ? undefined : stackOf(thrown, message),
      cause: nested(propertyOf(thrown, 'cause')),
      errors: reasons.length > 0 ? reasons : undefined,
    }
  }
  return serialize(error, 1, false)
}

/** Error responses of AWS have none, because they are created while the response is parsed. */
function stackOf(error: unknown, message: string): string | undefined {
  if (propertyOf(error, '$metadata') !== undefined) return undefined
  const stack = stringOf(error, 'stack')
  if (stack === undefined || !isParseError(error)) return stack
  return [message, ...stack.split('\n').filter((line) => /^ {4}at \S/.test(line))].join('\n')
}

function stringOf(error: unknown, key: string): string | undefined {
  const value = propertyOf(error, key)
  return typeof value === 'string' ? value : undefined
}

/** The errors that this error combines, as in an `AggregateError`. Read one by one, because the list may be a Proxy. */
function reasonsOf(error: unknown): unknown[] {
  const reasons = propertyOf(error, 'errors')
  if (typeof propertyOf(reasons, 'length') !== 'number') return []
  return Array.from({ length: maxErrors }, (_, index) => propertyOf(reasons, String(index)))
}
