/** The patterns of code names in the document of clients. */

/**
 * Returns a function that matches code names. `*` stands for any characters, including none and `/`; all others stand
 * for themselves. The time is linear in the length of the name, because a client chooses it.
 */
export function codeNameMatcher(patterns: readonly string[]): (codeName: string) => boolean {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')))
  const matchers = patterns.filter((pattern) => !exact.has(pattern)).map(matcher)
  return (codeName) => exact.has(codeName) || matchers.some((matches) => matches(codeName))
}

function matcher(pattern: string): (text: string) => boolean {
  const [first = '', ...others] = pattern.split('*')
  const last = others.pop() ?? ''
  return (text) => {
    const end = text.length - last.length
    if (!text.startsWith(first) || !text.endsWith(last)) return false
    let position = first.length
    for (const part of others) {
      const found = text.indexOf(part, position)
      if (found === -1) return false
      position = found + part.length
    }
    return position <= end
  }
}
