import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonErrorPosition } from '../../../src/runtime/options/json-position.ts'

describe('the position of the first error', () => {
  test.each([
    ['an empty text', '', 1, 1],
    ['a text that is not JSON', 'sentinel = 1', 1, 1],
    ['a single quote', "{ 'port': 1 }", 1, 3],
    ['a name without quotes', '{\n  port: 1\n}', 2, 3],
    ['a trailing comma', '{\n  "port": 1,\n}', 3, 1],
    ['a missing comma', '{\n  "port": 1\n  "host": 2\n}', 3, 3],
    ['a missing colon', '{ "port" 1 }', 1, 10],
    ['a comment', '{\n  // comment\n}', 2, 3],
    ['a missing quote', '{\n  "host: 1\n}', 2, 11],
    ['an escape that does not exist', '{ "a": "\\x" }', 1, 9],
    ['a number with a leading zero', '{ "a": 007 }', 1, 9],
    ['a missing value', '{ "a": }', 1, 8],
    ['a truncated object', '{ "a": [1, 2', 1, 13],
    ['a wrong bracket', '{ "a": [1} ]', 1, 10],
    ['text after the object', '{ "a": 1 }\r\n{ "b": 2 }', 2, 1],
    ['Windows line breaks', '{\r\n  "a": nul\r\n}', 2, 8],
  ])('is found for %s', (_what, text, line, column) => {
    expect(jsonErrorPosition(text)).toEqual({ line, column })
  })

  test('is that of a character that is inserted into JSON', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (json, at) => {
        const cut = at % json.length
        const isJson = (text: string) => {
          try {
            JSON.parse(text)
            return true
          } catch {
            return false
          }
        }
        const text = `${json.slice(0, cut)}\u0001${json.slice(cut)}`
        expect(isJson(text)).toBe(false)
        const { column } = jsonErrorPosition(text)
        // At the beginning of the damaged number, word or escape, or at the inserted character.
        expect(json.slice(column - 1, cut)).toMatch(/^[\\\w.+-]*$/)
        expect(column).toBeLessThanOrEqual(cut + 1)
      }),
    )
  })
})
