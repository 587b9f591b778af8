/** A message of the event stream, and how it is shown. */

/**
 * @typedef {object} Message a finished call, or a finished background read of a cache
 * @property {number} number in the order of completion
 * @property {number} at the start, in milliseconds since the epoch
 * @property {number} start the start on the monotonic clock of the service, in milliseconds
 * @property {string} [channel] of a call
 * @property {'load' | 'refresh' | 'reload'} [trigger] of a background read
 * @property {string} by the handler, or what the cache calls its values
 * @property {string} [id]
 * @property {string} [trace]
 * @property {number} ms the duration in milliseconds
 * @property {string} outcome `ok`, `refused`, `error`, `timeout`, or one that this page does not know
 * @property {string} [error] its code or name
 * @property {number} span identifies the call
 * @property {number} [parent] the span that caused this one
 * @property {string} request identifies the request that the call was made for
 * @property {number} nth counts the messages of the request, starting at 1
 */

/** @param {Message} message */
export function labelOf({ channel, trigger, by }) {
  return channel === undefined ? `${trigger} of ${by}` : `${channel} → ${by}`
}

/** The CSS class of an outcome. That of a refused call, and an unknown one, have no color. @param {string} outcome */
export function kindOf(outcome) {
  if (outcome === 'ok') return ''
  return isFailure(outcome) ? 'failed' : 'neutral'
}

/** Whether a call failed. A refused one is the client's fault. @param {string} outcome */
export const isFailure = (outcome) => outcome === 'error' || outcome === 'timeout'

/** @param {string} tag @param {string} kind CSS classes @param {string} text */
export function element(tag, kind, text = '') {
  const created = document.createElement(tag)
  created.className = kind
  created.textContent = text
  return created
}
