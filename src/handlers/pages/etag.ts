/** Conditional requests: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2. */

/** An entity tag in a list. Opaque tags may contain commas. */
const tag = /(?:^|,)[ \t]*(?:W\/)?("[^"]*")(?=[ \t]*(?:,|$))/g

/** Whether the client already has the representation with this strong entity tag. Weak ones are equal in this header. */
export function etagMatches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch.trim() === '*') return true
  return Array.from(ifNoneMatch.matchAll(tag), ([, one]) => one).includes(etag)
}
