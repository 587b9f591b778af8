/** Formats numbers, durations and times for display. */

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** @param {number} number */
export const count = (number) => (number < 10_000 ? number.toLocaleString('en') : compact.format(number))

/** @param {number} ms */
export function milliseconds(ms) {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`
}

/** The time of day, to the millisecond. @param {number} at in milliseconds since the epoch */
export function timeOfDay(at) {
  const date = new Date(at)
  return `${date.toLocaleTimeString('en-GB')}.${String(date.getMilliseconds()).padStart(3, '0')}`
}
