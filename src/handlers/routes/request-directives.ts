/** The freshness that a request demands in its `Cache-Control`. */
import type { CacheDirectives } from '../../freshness.ts'

/**
 * A directive with an optional argument: https://www.rfc-editor.org/rfc/rfc9111#section-5.2. The time is linear in the
 * length of the text, because a client chooses it: no two adjacent repetitions match the same character. Spaces around
 * `=` are accepted, though not allowed, because ignoring the directive would return an older value than the client wants.
 */
const directive = /(?:^|,)[\t ]*([!#$%&'*+\-.^_`|~\w]+)[\t ]*(?:=(?:[\t ]*"((?:[^"\\]|\\.)*)"[\t ]*|([^,"]*)))?(?=,|$)/g

/**
 * Reads `no-cache`, `max-age`, `max-stale` and `only-if-cached`. Others have no meaning here and are ignored. A
 * directive that occurs twice has its strictest value, and an argument that is not a number is 0.
 * @see https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1
 */
export function requestDirectives(cacheControl: string | undefined): CacheDirectives | undefined {
  if (cacheControl === undefined) return
  const found = new Map<string, number>()
  for (const [, name = '', quoted, token] of cacheControl.matchAll(directive)) {
    const key = name.toLowerCase()
    const argument = quoted ?? token?.trim()
    const value = key === 'max-stale' && argument === undefined ? Infinity : milliseconds(argument)
    found.set(key, Math.min(value, found.get(key) ?? Infinity))
  }
  const onlyIfCached = found.has('only-if-cached')
  if (found.has('no-cache')) return { maxAge: 0, onlyIfCached }
  return { maxAge: found.get('max-age'), maxStale: found.get('max-stale'), onlyIfCached }
}

/** @param argument delta-seconds: https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2 */
function milliseconds(argument = ''): number {
  return /^\d+$/.test(argument) ? Number(argument) * 1_000 : 0
}
