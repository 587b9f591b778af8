/**
 * Reads the results of health checks. Plugins may return any value, and the document is public. The statuses and their
 * synonyms are those of
 * https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check-06#section-3.1
 */
import { messageOf } from '../../bus/errors.ts'
import { isError, propertyOf } from '../../bus/thrown.ts'
import type { HealthCheck } from '../../channels.ts'

/** The statuses of a check, the best first. */
export const healthStatuses = ['pass', 'warn', 'fail'] as const satisfies readonly HealthCheck['status'][]

/** The status of all checks together. Without any check, it is `pass`. */
export function worstStatus(checks: readonly HealthCheck[]): HealthCheck['status'] {
  return healthStatuses.findLast((status) => checks.some((check) => check.status === status)) ?? 'pass'
}

const statuses: ReadonlyMap<unknown, HealthCheck['status']> = new Map([
  ['pass', 'pass'],
  ['ok', 'pass'],
  ['up', 'pass'],
  ['warn', 'warn'],
  ['fail', 'fail'],
  ['error', 'fail'],
  ['down', 'fail'],
])

/** The maximum length of a name or output in characters. */
const maxLength = 500

/** The text of an error: a stack, the name of a class, a message of the engine, or a code of Node.js or the system. */
const errorText =
  /[\r\n]|\b\w*(Error|Exception)\b|^Cannot (read|set) propert|\bis not (a function|a constructor|defined|iterable)\b|\b(UND_)?ERR_[A-Z]|\bE(ACCES|ADDR[A-Z]+|AGAIN|AI_[A-Z]+|CONN[A-Z]+|EXIST|HOST[A-Z]+|ISDIR|[MN]FILE|NET[A-Z]+|NOENT|NOSPC|NOTDIR|NOTFOUND|PERM|PIPE|PROTO|ROFS|TIMEDOUT)\b/
const filePath = /(^|[\s"'`(=[,]|:(?!\/\/))(~?\/|\.{1,2}[\\/]|[A-Za-z]:[\\/]|\\\\|file:)\S/
/** The text of a parse error. It quotes the text that failed to parse, which may be secret. */
const parseErrorText = /\bJSON\b|\bunexpected (token|end|identifier|string|number)\b/i

/** A check as it is published, and a message for the log if it is invalid or not published completely. */
export interface ReadAnswer {
  readonly check: HealthCheck
  readonly complaint?: string
}

/**
 * @param by the name of the subscriber, for a check that does not name its component
 * @returns `fail` for an answer that is not a health check
 */
export function readAnswer(by: string, answer: unknown): ReadAnswer {
  const { value, reason } = plain(answer)
  const given = propertyOf(value, 'name')
  const name = publicName(typeof given === 'string' && given !== '' ? given : by)
  const invalid = (why: string) => ({
    check: { name, status: 'fail' } as const,
    complaint: `Invalid health check: ${why}`,
  })
  if (reason !== undefined) return invalid(reason)
  const word = propertyOf(value, 'status')
  const status = statuses.get(typeof word === 'string' ? word.toLowerCase() : word)
  if (status === undefined) return invalid(`status must be pass, warn or fail, received ${shown(value, 'status')}`)
  const output = propertyOf(value, 'output')
  if (output === undefined) return { check: { name, status } }
  const withheld = withheldReason(output, propertyOf(answer, 'output'))
  if (withheld === undefined) return { check: { name, status, output: String(output).slice(0, maxLength) } }
  return { check: { name, status }, complaint: `Withheld the output of a health check: ${withheld}` }
}

/** A copy without getters. Arrays, functions and errors are not health checks. */
function plain(answer: unknown): { readonly value?: unknown; readonly reason?: string } {
  if (isError(answer)) return { reason: `answer must be an object with a status, received ${messageOf(answer)}` }
  try {
    const value: unknown = JSON.parse(JSON.stringify(answer) ?? 'null')
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { value }
  } catch (error) {
    return { reason: `answer must be convertible to JSON: ${messageOf(error)}` }
  }
  const received = Array.isArray(answer) ? 'an array' : answer === null ? 'null' : typeof answer
  return { reason: `answer must be an object with a status, received ${received}` }
}

/** @param original the output before its conversion to JSON, which hides that it was an error */
function withheldReason(output: unknown, original: unknown): string | undefined {
  if (isError(original)) return messageOf(original)
  if (typeof output !== 'string') return `output must be a string, received ${typeof output}`
  if (parseErrorText.test(output)) return 'output must not be the text of a parse error'
  return errorText.test(output) || filePath.test(output) ? output.slice(0, maxLength) : undefined
}

/** The last part of a path: a plugin's subscriber has the path of its file as its name. */
function publicName(name: string): string {
  return name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1).slice(0, maxLength)
}

function shown(value: unknown, key: string): string {
  return JSON.stringify(propertyOf(value, key))?.slice(0, 100) ?? 'undefined'
}
