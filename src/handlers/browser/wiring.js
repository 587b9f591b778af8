/** The graph of the bus, drawn as wide as there is room, with what has passed on each channel. */
import { layoutOf, ofProcess, untangled } from './layout.js'
import { count, milliseconds } from './units.js'

/**
 * @typedef {import('./layout.js').Wired} Wired
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
  /** @type {Wired[]} */
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

  /** @param {Wired[]} topology */
  show(topology) {
    this.#topology = untangled(topology.filter(({ usedBy, heardBy }) => usedBy.length + heardBy.length > 0))
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
   * Has the line light up on which something passed.
   * @param {{ channel: string, by: string, outcome: string }} message
   */
  pass({ channel, by, outcome }) {
    for (const { line, element } of this.#lines) {
      if (line.wired.channel !== channel || line.hearer !== by) continue
      element.classList.toggle('failed', outcome !== 'ok')
      element.classList.remove('passing')
      element.getBoundingClientRect() // else the animation would not begin anew
      element.classList.add('passing')
    }
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
    const room = Math.max(...channels.map((box) => box.width)) - 12
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

/** @param {Box} box @param {string} kind its classes */
function boxWith({ name, x, y, width, height }, kind) {
  const group = svg('g', { class: kind })
  const title = svg('title', {})
  title.textContent = name
  const short = name.replace(/^\/.*\//, '') // a plug-in goes by the whole path of its file
  group.append(title, svg('rect', { x, y, width, height, rx: 6 }), words(short, x + width / 2, y + 13, 'name'))
  return group
}

/** @param {Line} line */
function curve({ wired, from: [x1, y1], to: [x2, y2] }) {
  const half = (x1 + x2) / 2
  const kind = ofProcess(wired.channel) ? `${wired.kind} process` : wired.kind
  return svg('path', { class: kind, d: `M${x1},${y1} C${half},${y1} ${half},${y2} ${x2},${y2}` })
}

/** @param {string} text @param {number} x its middle @param {number} y @param {string} kind */
function words(text, x, y, kind) {
  const element = svg('text', { class: kind, x, y, 'text-anchor': 'middle' })
  element.textContent = text
  return element
}

/** Has the text end with an ellipsis where it is too wide. @param {SVGTextElement} element @param {number} room */
function shorten(element, room) {
  const text = element.textContent ?? ''
  for (let length = text.length; length > 1 && element.getComputedTextLength() > room; length -= 1)
    element.textContent = `${text.slice(0, length - 1)}…`
}

/** @template {keyof SVGElementTagNameMap} Tag @param {Tag} tag @param {Record<string, string | number>} attributes */
function svg(tag, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  return element
}
