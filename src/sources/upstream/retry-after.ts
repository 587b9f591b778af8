/** An HTTP date, in the form to send or in one of the two obsolete forms. */
const httpDate = /^[A-Z][a-z]{2,8},? [\w -]*\d\d:\d\d:\d\d( \d{4})?( GMT)?$/

/**
 * Reads a `Retry-After` header: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 * @param now the current time in milliseconds since the epoch
 * @returns the delay in milliseconds; 0 for a date in the past; undefined if the header is missing or invalid
 */
export function retryAfterOf(header: unknown, now: number): number | undefined {
  if (typeof header !== 'string') return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000
  if (!httpDate.test(header)) return undefined
  // The form of asctime() has no time zone, and means GMT like the others.
  const date = Date.parse(header.endsWith(' GMT') ? header : `${header} GMT`)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
