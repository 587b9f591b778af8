/** Draws the graph of the bus, fitted to the width of the page, with statistics of each channel. */
import { boxWith, curve, shorten, svg, words } from './drawing.js'
import { layoutOf, sortedChannels } from './layout.js'
import { isFailure } from './message.js'
import { count, milliseconds } from './units.js'

/**
 * @typedef {import('./layout.js').ChannelInfo} ChannelInfo
 * @typedef {import('./layout.js').Box} Box
 * @typedef {import('./layout.js').Line} Line
 */

/**
 * @typedef {object} Traffic statistics of a channel
 * @property {string} channel
 * @property {number} count
 * @property {number} failed
 * @property {number} p50
 * @property {number} p99
 */

/** The minimum width for all statistics, in pixels. */
const wideLayout = 640

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
  #svg = svg('svg', { role: 'group', 'aria-label': 'Bus topology' })
  #onChoose

  /**
   * @param {Element} container the parent of the graph
   * @param {(channel: string) => void} onChoose called with the selected channel, or an empty string
   */
  constructor(container, onChoose) {
    this.#onChoose = onChoose
    container.append(this.#svg)
    new ResizeObserver(() => {
      if (container.clientWidth === this.#width) return // drawing changes the height only
      this.#width = container.clientWidth
      this.#draw()
    }).observe(container)
  }

  /** @param {ChannelInfo[]} topology */
  show(topology) {
    this.#topology = sortedChannels(topology.filter(({ usedBy, handlers }) => usedBy.length + handlers.length > 0))
    this.#draw()
  }

  /** @param {Traffic[]} traffic */
  count(traffic) {
    this.#traffic = new Map(traffic.map((stats) => [stats.channel, stats]))
    this.#showStatistics()
  }

  /** @param {string} channel the channel to highlight, or an empty string */
  choose(channel) {
    this.#chosen = channel
    this.#svg.classList.toggle('choosing', channel !== '')
    for (const { channels, element } of this.#parts) {
      element.classList.toggle('chosen', channels.includes(channel))
      if (element.role === 'button') element.ariaPressed = String(channels.includes(channel))
    }
  }

  /**
   * Highlights the lines of the calls.
   * @param {{ channel?: string, by: string, outcome: string }[]} messages
   */
  pass(messages) {
    const key = (/** @type {(string | undefined)[]} */ ...names) => JSON.stringify(names)
    const outcomes = new Map(messages.map(({ channel, by, outcome }) => [key(channel, by), outcome]))
    const passed = this.#lines.flatMap(({ line, element }) => {
      const outcome = outcomes.get(key(line.info.channel, line.handler))
      return outcome ? [{ element, outcome }] : []
    })
    for (const { element, outcome } of passed) {
      element.classList.toggle('failed', isFailure(outcome))
      element.classList.remove('passing')
    }
    this.#svg.getBoundingClientRect() // forces a layout, without which the animations would not restart
    for (const { element } of passed) element.classList.add('passing')
  }

  #draw() {
    if (this.#width === 0 || this.#topology.length === 0) return
    const { columns, users, channels, handlers, lines, height } = layoutOf(this.#topology, this.#width)

    this.#lines = lines.map((line) => ({ line, element: curve(line) }))
    this.#parts = [
      ...this.#lines.map(({ line, element }) => ({ channels: [line.info.channel], element })),
      ...[...users, ...handlers].map((box) => ({ channels: box.channels, element: boxWith(box, 'subscriber') })),
      ...channels.map((box, index) => ({ channels: box.channels, element: this.#channel(box, index) })),
    ]
    const headings = ['users', 'channels', 'handlers']
    this.#svg.setAttribute('viewBox', `0 0 ${this.#width} ${height}`)
    this.#svg.setAttribute('height', String(height))
    this.#svg.replaceChildren(
      ...headings.map((text, index) => words(text, columns[index] ?? 0, 10, 'heading')),
      ...this.#parts.map(({ element }) => element),
    )
    const room = Math.max(...channels.map((box) => box.width)) - 8
    for (const name of this.#svg.querySelectorAll('.name')) shorten(/** @type {SVGTextElement} */ (name), room)
    this.#showStatistics()
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

  #showStatistics() {
    for (const { channels, element } of this.#parts) {
      const text = element.querySelector('.numbers')
      if (!text) continue
      const stats = this.#traffic.get(channels[0] ?? '')
      element.classList.toggle('failing', (stats?.failed ?? 0) > 0)
      text.textContent = stats ? summary(stats, this.#width >= wideLayout) : 'no calls'
    }
  }
}

/** @param {Traffic} stats @param {boolean} long includes the 99th percentile */
function summary({ count: calls, failed, p50, p99 }, long) {
  if (failed > 0) return `${count(failed)} of ${count(calls)} failed`
  return `${count(calls)} · ${milliseconds(p50)}${long ? `, p99 ${milliseconds(p99)}` : ''}`
}
