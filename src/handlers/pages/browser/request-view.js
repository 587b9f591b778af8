/** Shows the calls of the selected request as a table with a bar for each call. */
import { svg } from './drawing.js'
import { element, kindOf, labelOf } from './message.js'
import { count, milliseconds } from './units.js'
import { waterfallOf } from './waterfall.js'

/**
 * @typedef {import('./message.js').Message} Message
 * @typedef {import('./waterfall.js').Row} Row
 * @typedef {import('./waterfall.js').Waterfall} Waterfall
 */

/** The indentation of a nested call in pixels, and the maximum depth that is indented. */
const indent = 14
const maxIndented = 6

export class RequestView {
  /** @type {Message[]} kept, because the list drops messages earlier */
  #messages = []
  #request = ''
  #panel
  #part

  /** @param {HTMLElement} panel contains elements with the classes `title`, `facts`, `note` and `calls` */
  constructor(panel) {
    this.#panel = panel
    this.#part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (panel.querySelector(`.${name}`))
  }

  /** @param {string} request @param {Message[]} messages of any request */
  show(request, messages) {
    this.#request = request
    this.#messages = []
    this.#panel.hidden = false
    this.add(messages)
    this.#panel.scrollIntoView({ block: 'nearest' })
  }

  /** Adds later messages of the request. @param {Message[]} messages of any request */
  add(messages) {
    const own = messages.filter(({ request }) => request === this.#request)
    if (this.#request === '' || own.length === 0) return
    this.#messages = [...this.#messages, ...own]
    this.#draw()
  }

  /** Adds nothing any more, because the service may have been restarted and may count from the beginning. */
  freeze() {
    this.#request = ''
  }

  hide() {
    this.freeze()
    this.#panel.hidden = true
  }

  #draw() {
    const waterfall = waterfallOf(this.#messages)
    const { rows, ms } = waterfall
    const [outermost] = rows
    const hasId = rows.some(({ message }) => message.id === this.#request)
    this.#part('title').textContent = hasId ? `Request ${this.#request}` : outermost ? labelOf(outermost.message) : ''
    const trace = rows.find(({ message }) => message.trace)?.message.trace
    const calls = rows.length === 1 ? '1 call' : `${count(rows.length)} calls`
    this.#part('facts').textContent = [`${calls} in ${milliseconds(ms)}`, trace && `trace_id ${trace}`]
      .filter(Boolean)
      .join(' · ')
    this.#part('note').textContent = noteOn(waterfall)
    this.#part('calls').replaceChildren(...rows.map(tableRow))
  }
}

/** @param {Waterfall} waterfall */
function noteOn({ missing, isRunning }) {
  if (missing === 1) return '1 earlier call is not available.'
  if (missing > 1) return `${count(missing)} earlier calls are not available.`
  return isRunning ? 'Some calls have not finished.' : ''
}

/** @param {Row} row */
function tableRow({ message, depth, offset, left, width }) {
  const { ms, outcome, error } = message
  const row = element('tr', kindOf(outcome))
  const call = element('th', '')
  call.setAttribute('scope', 'row')
  const label = element('span', 'what', labelOf(message))
  if (depth > 0) label.prepend(element('span', 'unseen', `Level ${depth + 1}: `))
  label.style.paddingInlineStart = `${Math.min(depth, maxIndented) * indent}px`
  call.append(label)
  if (outcome !== 'ok') call.append(element('span', 'result', [outcome, error].filter(Boolean).join(' · ')))
  call.append(bar(left, width))
  row.append(call, element('td', '', `+${milliseconds(offset)}`), element('td', '', milliseconds(ms)))
  return row
}

/** Decoration: the numbers next to it say the same. @param {number} left @param {number} width */
function bar(left, width) {
  const picture = svg('svg', { class: 'bar', 'aria-hidden': 'true' })
  const visible = Math.max(width, 0.006)
  const x = Math.min(left, 1 - visible)
  picture.append(svg('rect', { x: `${x * 100}%`, y: 0, width: `${visible * 100}%`, height: '100%', rx: 2 }))
  return picture
}
