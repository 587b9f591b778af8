/**
 * Reads values that were thrown. Any value can be thrown: null, a symbol, an object whose getters throw, a Proxy, an
 * error of another realm (Jest, `node:vm`), which is not an `instanceof Error`. No function here throws.
 */
import { types } from 'node:util'

/** The text to log for an error. A parse error's message is withheld: it quotes the input, which may be secret. */
export function messageOf(error: unknown): string {
  if (isParseError(error)) return 'parse error'
  if (typeof error === 'function') return '[function]'
  if (typeof error !== 'object' || error === null) return String(error) || '[empty string]'
  // If a connection is refused on several addresses, the error has a code but no message.
  return textOf(error, 'message') || textOf(error, 'code') || (isError(error) ? nameOf(error) : '[object]')
}

/** The `code` of any thrown value. It identifies errors even if their class is loaded twice or not at all. */
export function codeOf(error: unknown): unknown {
  return propertyOf(error, 'code')
}

/** The name of an error's class, or the type of another value. */
export function nameOf(error: unknown): string {
  return isError(error) ? textOf(error, 'name') || 'Error' : typeof error
}

/** The code or, without one, the name of an error. Unlike its message, it quotes nothing that may be secret. */
export function labelOf(error: unknown): string {
  const code = codeOf(error)
  return typeof code === 'string' && code !== '' ? code : nameOf(error)
}

/** A property of any value; undefined if it cannot be read. */
export function propertyOf(value: unknown, key: string): unknown {
  if (!isObject(value)) return undefined
  try {
    return Reflect.get(value, key)
  } catch {
    return undefined
  }
}

/** `instanceof`, but false for a Proxy that does not reveal its prototype. */
export function isInstance<T>(value: unknown, type: abstract new (...parameters: never) => T): value is T {
  try {
    return value instanceof type
  } catch {
    return false
  }
}

export function isError(value: unknown): value is Error {
  return isInstance(value, Error) || types.isNativeError(value)
}

/** Whether this is a `SyntaxError` of any realm, or derived from one. */
export function isParseError(error: unknown): boolean {
  try {
    for (let at: unknown = error; isObject(at); at = Reflect.getPrototypeOf(at))
      if (propertyOf(Object.getOwnPropertyDescriptor(at, 'name'), 'value') === 'SyntaxError') return true
  } catch {
    // A Proxy that does not reveal its prototype.
  }
  return false
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/** A property as text; empty unless it is a string or a number. */
function textOf(value: unknown, key: string): string {
  const property = propertyOf(value, key)
  return typeof property === 'string' || typeof property === 'number' ? String(property) : ''
}
