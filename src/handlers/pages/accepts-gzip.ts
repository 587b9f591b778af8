/** Content negotiation: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3. */

/** `x-gzip` is a synonym: https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.3. */
const gzip = /^(x-)?gzip$/

/** One coding with its weight, which is 1 by default. A malformed entry does not match. */
const entry = /^([\w!#$%&'*+.^`|~-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/

/** Whether the client accepts gzip, and prefers nothing else of what the service has: the uncompressed content. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  const weights = new Map<string, number>()
  for (const part of acceptEncoding?.toLowerCase().split(',') ?? []) {
    const [, coding, weight = '1'] = entry.exec(part.trim()) ?? []
    if (coding !== undefined) weights.set(gzip.test(coding) ? 'gzip' : coding, Number(weight))
  }
  const any = weights.get('*') ?? 0
  const wanted = weights.get('gzip') ?? any
  return wanted > 0 && wanted >= (weights.get('identity') ?? 0)
}
