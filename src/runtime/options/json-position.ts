/** Finds the first syntax error in a JSON text. The messages of `JSON.parse` are not used, because they quote it. */

const blank = /[ \t\r\n]+/y
const scalar = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y
const openString = /"(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*/uy
const quote = /"/y
const colon = /:/y
const comma = /,/y

/**
 * @param text a text that `JSON.parse` rejects
 * @returns the line and column of the first character that does not fit, counted from 1
 */
export function jsonErrorPosition(text: string): { readonly line: number; readonly column: number } {
  let at = 0
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    const [taken = ''] = pattern.exec(text) ?? []
    at += taken.length
    return taken !== ''
  }
  const token = (pattern: RegExp): boolean => {
    take(blank)
    return take(pattern)
  }
  const string = () => token(openString) && take(quote)
  const member = () => string() && token(colon) && value()
  const list = (item: () => boolean, end: RegExp): boolean => {
    if (token(end)) return true
    while (item()) if (!token(comma)) return token(end)
    return false
  }
  const value = (): boolean => {
    if (token(/\{/y)) return list(member, /\}/y)
    if (take(/\[/y)) return list(value, /\]/y)
    return text[at] === '"' ? string() : take(scalar)
  }
  if (value()) take(blank)
  const lines = text.slice(0, at).split(/\r\n|\n|\r/)
  return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 }
}
