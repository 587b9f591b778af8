/** Arranges the calls of one request: nested, in the order of their start, on a common time scale. */

/** @typedef {import('./message.js').Message} Message */

/**
 * @typedef {object} Row
 * @property {Message} message
 * @property {number} depth the number of calls around this one
 * @property {number} offset the start, in milliseconds since the first start
 * @property {number} left the start as a fraction of the duration of the request
 * @property {number} width the duration as a fraction of that of the request
 */

/**
 * @typedef {object} Waterfall
 * @property {Row[]} rows
 * @property {number} ms the duration of the request
 * @property {number} missing the number of finished calls that are not among the messages
 * @property {boolean} isRunning whether calls around these have not finished; false if calls are missing
 */

/** The maximum number of calls to show. There are more if a client uses an id again and again. */
export const maxRows = 200

/** @param {Message[]} messages those of one request */
export function waterfallOf(messages) {
  const shown = messages.toSorted((one, other) => one.nth - other.nth).slice(-maxRows)
  const missing = (shown.at(-1)?.nth ?? 0) - shown.length
  const start = Math.min(...shown.map((message) => message.start))
  const ms = Math.max(...shown.map((message) => message.start + message.ms)) - start
  const spans = new Set(shown.map(({ span }) => span))
  const isOutermost = (/** @type {Message} */ { parent }) => parent === undefined || !spans.has(parent)

  /** @type {(message: Message, depth: number) => Row[]} */
  const rowsOf = (message, depth) => {
    const offset = message.start - start
    const scale = ms > 0 ? 1 / ms : 0
    const row = { message, depth, offset, left: offset * scale, width: message.ms * scale }
    const inner = byStart(shown.filter(({ parent }) => parent === message.span))
    return [row, ...inner.flatMap((one) => rowsOf(one, depth + 1))]
  }
  const rows = byStart(shown.filter(isOutermost)).flatMap((message) => rowsOf(message, 0))
  const isRunning = missing === 0 && shown.some((message) => message.parent !== undefined && isOutermost(message))
  return { rows, ms, missing, isRunning }
}

/** @param {Message[]} messages */
function byStart(messages) {
  return messages.toSorted((one, other) => one.start - other.start || one.nth - other.nth)
}
