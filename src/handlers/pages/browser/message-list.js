/** The list of messages, newest first. Rows stay the same elements while others come and go, so that they keep the focus. */
import { element, kindOf, labelOf } from './message.js'
import { milliseconds, timeOfDay } from './units.js'

/** @typedef {import('./message.js').Message} Message */

export class MessageList {
  /** @type {Map<number, HTMLElement>} rows by number of the message */
  #rows = new Map()
  #list
  #onSelect
  #frame = 0
  /** The number of the selected message. @type {number | undefined} */
  #selected

  /**
   * @param {HTMLElement} list within an element that scrolls
   * @param {(message: Message | undefined) => void} onSelect called with the selected message, or nothing
   * @param {() => void} onLeave called when the pointer leaves the list, which then shows the messages that it has held back
   */
  constructor(list, onSelect, onLeave) {
    this.#list = list
    this.#onSelect = onSelect
    list.addEventListener('pointerleave', onLeave)
    list.addEventListener('keydown', (event) => this.#moveFocus(event))
    list.addEventListener('focusin', ({ target }) => this.#makeTabbable(target))
  }

  /**
   * Shows the messages. While the pointer is over the list, rows do not move: newer messages are held back.
   * @param {Message[]} messages newest first
   * @returns {number} the number of messages that are held back
   */
  show(messages) {
    const held = this.#isHeld() ? messages.findIndex(({ number }) => this.#rows.has(number)) : 0
    const shown = messages.slice(Math.max(0, held))
    const wanted = new Set(shown.map(({ number }) => number))
    for (const [number, row] of this.#rows) {
      if (wanted.has(number)) continue
      row.remove()
      this.#rows.delete(number)
    }
    const first = this.#list.firstElementChild
    let next = first
    for (const message of shown) {
      if (this.#rows.has(message.number)) next = next?.nextElementSibling ?? null
      else {
        const row = this.#row(message)
        this.#rows.set(message.number, row)
        this.#list.insertBefore(row, next)
      }
    }
    this.#slide(first)
    if (!this.#list.querySelector('button[tabindex="0"]')) this.#makeTabbable(this.#list.querySelector('button'))
    return Math.max(0, held)
  }

  /** Removes all rows, because the service sends the messages again, and may count from the beginning. */
  clear() {
    this.#list.replaceChildren()
    this.#rows.clear()
    this.#selected = undefined
  }

  /** Ends the selection. */
  deselect() {
    this.#mark(undefined)
  }

  #isHeld() {
    return this.#list.matches(':hover') && matchMedia('(hover: hover)').matches
  }

  /**
   * Lets the rows above push the others down, instead of displacing them at once.
   * @param {Element | null} first the row that was the first
   */
  #slide(first) {
    const scroller = this.#list.parentElement
    if (!first?.isConnected || !scroller || scroller.scrollTop > 0) return
    const height = first.getBoundingClientRect().top - this.#list.getBoundingClientRect().top
    if (height === 0) return
    const moved = new DOMMatrix(getComputedStyle(this.#list).transform).m42 // by the last time, if it has not finished
    const { style } = this.#list
    style.transition = 'none'
    style.transform = `translateY(${moved - height}px)`
    // Twice: the browser shows the first style, without a transition, before the second one starts it.
    const later = (/** @type {() => void} */ task) => {
      this.#frame = requestAnimationFrame(task)
    }
    cancelAnimationFrame(this.#frame)
    later(() =>
      later(() => {
        style.transition = style.transform = ''
      }),
    )
  }

  /** @param {Message} message */
  #row(message) {
    const { number, at, id, ms, outcome, error } = message
    const row = element('li', kindOf(outcome))
    const button = element('button', '')
    button.setAttribute('type', 'button')
    button.tabIndex = -1
    button.ariaPressed = String(number === this.#selected)
    button.append(
      element('time', '', timeOfDay(at)),
      element('span', 'what', labelOf(message)),
      element('span', 'ms', milliseconds(ms)),
      element('span', 'outcome', outcome),
      element('span', 'id', [error, id].filter(Boolean).join(' · ')),
    )
    button.addEventListener('click', () => {
      const selected = this.#selected === number ? undefined : message
      this.#mark(selected?.number)
      this.#onSelect(selected)
    })
    row.append(button)
    return row
  }

  /** @param {number | undefined} number */
  #mark(number) {
    const press = (/** @type {number | undefined} */ one, /** @type {boolean} */ pressed) => {
      const button = one === undefined ? undefined : this.#rows.get(one)?.querySelector('button')
      if (button) button.ariaPressed = String(pressed)
    }
    press(this.#selected, false)
    press(number, true)
    this.#selected = number
  }

  /** One row takes part in the order of the Tab key, and arrows move between rows. @param {EventTarget | null} target */
  #makeTabbable(target) {
    if (!(target instanceof HTMLButtonElement)) return
    for (const button of this.#list.querySelectorAll('button[tabindex="0"]')) button.setAttribute('tabindex', '-1')
    target.tabIndex = 0
  }

  /** @param {KeyboardEvent} event */
  #moveFocus(event) {
    const row = event.target instanceof Element ? event.target.closest('li') : null
    const targets = /** @type {Record<string, Element | null | undefined>} */ ({
      ArrowDown: row?.nextElementSibling,
      ArrowUp: row?.previousElementSibling,
      Home: this.#list.firstElementChild,
      End: this.#list.lastElementChild,
    })
    const button = targets[event.key]?.querySelector('button')
    if (!button) return
    event.preventDefault()
    button.focus()
  }
}
