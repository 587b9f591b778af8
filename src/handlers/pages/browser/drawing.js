/** The parts of the graph, as a browser draws them. */
import { ofProcess } from './layout.js'

/**
 * @typedef {import('./layout.js').Box} Box
 * @typedef {import('./layout.js').Line} Line
 */

/** @param {Box} box @param {string} kind its classes */
export function boxWith({ name, x, y, width, height }, kind) {
  const group = svg('g', { class: kind })
  const title = svg('title', {})
  title.textContent = name
  const short = name.replace(/^\/.*\//, '') // a plug-in goes by the whole path of its file
  group.append(title, svg('rect', { x, y, width, height, rx: 6 }), words(short, x + width / 2, y + 13, 'name'))
  return group
}

/** @param {Line} line */
export function curve({ wired, from: [x1, y1], to: [x2, y2] }) {
  const half = (x1 + x2) / 2
  const kind = ofProcess(wired.channel) ? `${wired.kind} process` : wired.kind
  return svg('path', { class: kind, d: `M${x1},${y1} C${half},${y1} ${half},${y2} ${x2},${y2}` })
}

/** @param {string} text @param {number} x its middle @param {number} y @param {string} kind */
export function words(text, x, y, kind) {
  const element = svg('text', { class: kind, x, y, 'text-anchor': 'middle' })
  element.textContent = text
  return element
}

/** Has the text end with an ellipsis where it is too wide. @param {SVGTextElement} element @param {number} room */
export function shorten(element, room) {
  const text = element.textContent ?? ''
  const width = element.getComputedTextLength()
  // Each look has the page laid out: begin where it would fit if all letters were of one width.
  for (let length = Math.ceil((text.length * room) / width); length > 0 && length < text.length; length -= 1) {
    element.textContent = `${text.slice(0, length)}…`
    if (element.getComputedTextLength() <= room) return
  }
}

/** @template {keyof SVGElementTagNameMap} Tag @param {Tag} tag @param {Record<string, string | number>} attributes */
export function svg(tag, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
  return element
}
