/** Content negotiation: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1. */

/** Whether the client prefers HTML to JSON. Without a preference, as in a request of curl, it does not. */
export function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false
  const ranges = accept.split(',').map(rangeOf)
  const weightOf = (type: string) => {
    const [group = ''] = type.split('/')
    const patterns = [type, `${group}/*`, '*/*'] // the most specific range applies
    const pattern = patterns.find((pattern) => ranges.some(({ range }) => range === pattern))
    return ranges.find(({ range }) => range === pattern)?.weight ?? 0
  }
  return weightOf('text/html') > weightOf('application/json')
}

/** Parameters other than the weight are ignored: neither type has versions that they could select. */
function rangeOf(text: string): { readonly range: string; readonly weight: number } {
  const [range = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
  if (weight === undefined) return { range, weight: 1 }
  return { range, weight: /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(weight) ? Number(weight) : 0 }
}
