/** Draws the boxes, lines and texts of the graph as SVG elements. */
import { isLifecycle } from './layout.js'

/**
 * @typedef {import('./layout.js').Box} Box
 * @typedef {import('./layout.js').Line} Line
 */

/** @param {Box} box @param {string} kind CSS classes */
export function boxWith({ name, x, y, width, height }, kind) {
  const group = svg('g', { class: kind })
  const title = svg('title', {})
  title.textContent = name
  const short = name.replace(/^\/.*\//, '') // a plugin's name is the path of its file
  group.append(title, svg('rect', { x, y, width, height, rx: 6 }), words(short, x + width / 2, y + 13, 'name'))
  return group
}

/** @param {Line} line */
export function curve({ info, from: [x1, y1], to: [x2, y2] }) {
  const half = (x1 + x2) / 2
  const kind = isLifecycle(info.channel) ? `${info.kind} process` : info.kind
  return svg('path', { class: kind, d: `M${x1},${y1} C${half},${y1} ${half},${y2} ${x2},${y2}` })
}

/** @param {string} text @param {number} x center @param {number} y @param {string} kind */
export function words(text, x, y, kind) {
  const element = svg('text', { class: kind, x, y, 'text-anchor': 'middle' })
  element.textContent = text
  return element
}

/** Truncates the text with an ellipsis to fit. @param {SVGTextElement} element @param {number} room in pixels */
export function shorten(element, room) {
  const text = element.textContent ?? ''
  const width = element.getComputedTextLength()
  // Each measurement causes a layout, so start at the length that would fit if all characters had the same width.
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
