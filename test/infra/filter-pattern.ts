/** Matches log lines with the JSON filter patterns of CloudWatch Logs, as far as the template uses them. */

/**
 * Whether the JSON line matches a pattern such as `{ $.level = "warn" && $.msg = "Failed *" }`. An asterisk matches any
 * text, and a term without its field does not match.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
 * @throws Error if the pattern has another form
 */
export function matchesPattern(pattern: string, line: string): boolean {
  const [, terms] = /^\{ (.+) \}$/.exec(pattern) ?? []
  if (terms === undefined) throw new Error(`Pattern must be { ... }, received ${pattern}`)
  const fields = JSON.parse(line)
  return terms.split(' && ').every((term) => {
    const [, name = '', value] = /^\$\.(\w+) = "([^"\\]+)"$/.exec(term) ?? []
    if (value === undefined) throw new Error(`Term must be $.field = "value", received ${term}`)
    const parts = value.split('*').map((part) => part.replaceAll(/[\\^$.|?+()[\]{}]/g, '\\$&'))
    return name in fields && new RegExp(`^${parts.join('.*')}$`, 's').test(String(fields[name]))
  })
}
