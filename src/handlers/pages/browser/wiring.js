/** The graph of the bus, drawn as wide as there is room, with what has passed on each channel. */
import { boxWith, curve, shorten, svg, words } from './drawing.js'
import { layoutOf, untangled } from './layout.js'
import { count, milliseconds } from './units.js'

/**
 * @typedef {import('./layout.js').ChannelInfo} ChannelInfo
 * @typedef {import('./layout.js').Box} Box
 * @typedef {import('./layout.js').Line} Line
 */

/**
 * @typedef {object} Traffic what has passed on a channel
 * @property {string} channel
 * @property {number} count
 * @property {number} failed
 * @property {number} p50
 * @property {number} p99
 */

/** From this many pixels on, all numbers fit. */
const wide = 640

export class Wiring {
  /** @type {ChannelInfo[]} */
  #topology = []
  /** @type {Map<string, Traffic>} by channel */
  #traffic = new Map()
  #chosen = ''
  #width = 0
  /** @type {{ channels: string[], element: SVGElement }[]} */
  #parts = []
  /** @type {{ line: Line, element: SVGElement }[]} */
  #lines = []
  #svg = svg('svg', { role: 'group', 'aria-label': 'The wiring, as a graph' })
  #onChoose

  /**
   * @param {Element} place to draw in
   * @param {(channel: string) => void} onChoose is told which channel was chosen, or the empty string for none any more
   */
  constructor(place, onChoose) {
    this.#onChoose = onChoose
    place.append(this.#svg)
    new ResizeObserver(() => {
      if (place.clientWidth === this.#width) return // it has only grown in height, as it does when this is drawn
      this.#width = place.clientWidth
      this.#draw()
    }).observe(place)
  }

  /** @param {ChannelInfo[]} topology */
  show(topology) {
    this.#topology = untangled(topology.filter(({ usedBy, handlers }) => usedBy.length + handlers.length > 0))
    this.#draw()
  }

  /** @param {Traffic[]} traffic */
  count(traffic) {
    this.#traffic = new Map(traffic.map((numbers) => [numbers.channel, numbers]))
    this.#showNumbers()
  }

  /** @param {string} channel that is to stand out, or the empty string */
  choose(channel) {
    this.#chosen = channel
    this.#svg.classList.toggle('choosing', channel !== '')
    for (const { channels, element } of this.#parts) {
      element.classList.toggle('chosen', channels.includes(channel))
      if (element.role === 'button') element.ariaPressed = String(channels.includes(channel))
    }
  }

  /**
   * Has the lines light up on which something passed.
   * @param {{ channel: string, by: string, outcome: string }[]} messages
   */
  pass(messages) {
    const key = (/** @type {string} */ channel, /** @type {string | undefined} */ by) => JSON.stringify([channel, by])
    const outcomes = new Map(messages.map(({ channel, by, outcome }) => [key(channel, by), outcome]))
    const passed = this.#lines.flatMap(({ line, element }) => {
      const outcome = outcomes.get(key(line.wired.channel, line.hearer))
      return outcome ? [{ element, outcome }] : []
    })
    for (const { element, outcome } of passed) {
      element.classList.toggle('failed', outcome !== 'ok')
      element.classList.remove('passing')
    }
    this.#svg.getBoundingClientRect() // else the animations would not begin anew; once, for it has all laid out
    for (const { element } of passed) element.classList.add('passing')
  }

  #draw() {
    if (this.#width === 0 || this.#topology.length === 0) return
    const { columns, users, channels, hearers, lines, height } = layoutOf(this.#topology, this.#width)

    this.#lines = lines.map((line) => ({ line, element: curve(line) }))
    this.#parts = [
      ...this.#lines.map(({ line, element }) => ({ channels: [line.wired.channel], element })),
      ...[...users, ...hearers].map((box) => ({ channels: box.channels, element: boxWith(box, 'subscriber') })),
      ...channels.map((box, index) => ({ channels: box.channels, element: this.#channel(box, index) })),
    ]
    const headings = ['asks or publishes', 'channel', 'answers or hears']
    this.#svg.setAttribute('viewBox', `0 0 ${this.#width} ${height}`)
    this.#svg.setAttribute('height', String(height))
    this.#svg.replaceChildren(
      ...headings.map((text, index) => words(text, columns[index] ?? 0, 10, 'heading')),
      ...this.#parts.map(({ element }) => element),
    )
    const room = Math.max(...channels.map((box) => box.width)) - 8
    for (const name of this.#svg.querySelectorAll('.name')) shorten(/** @type {SVGTextElement} */ (name), room)
    this.#showNumbers()
    this.choose(this.#chosen)
  }

  /** @param {Box} box @param {number} index */
  #channel(box, index) {
    const element = boxWith(box, `channel ${this.#topology[index]?.kind}`)
    element.append(words('', box.x + box.width / 2, box.y + 30, 'numbers'))
    element.role = 'button'
    element.tabIndex = 0
    const choose = () => this.#onChoose(this.#chosen === box.name ? '' : box.name)
    element.addEventListener('click', choose)
    element.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return
      event.preventDefault()
      choose()
    })
    return element
  }

  #showNumbers() {
    for (const { channels, element } of this.#parts) {
      const text = element.querySelector('.numbers')
      if (!text) continue
      const numbers = this.#traffic.get(channels[0] ?? '')
      element.classList.toggle('failing', (numbers?.failed ?? 0) > 0)
      text.textContent = numbers ? told(numbers, this.#width >= wide) : 'nothing yet'
    }
  }
}

/** @param {Traffic} numbers @param {boolean} atLength */
function told({ count: calls, failed, p50, p99 }, atLength) {
  if (failed > 0) return `${count(failed)} of ${count(calls)} failed`
  return `${count(calls)} · ${milliseconds(p50)}${atLength ? `, p99 ${milliseconds(p99)}` : ''}`
}
