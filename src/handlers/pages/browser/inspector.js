/** The page of the inspector: shows what the service sends of its bus, as it comes. */
import { count, milliseconds, timeOfDay } from './units.js'
import { Wiring } from './wiring.js'

/**
 * @typedef {object} Message
 * @property {number} number
 * @property {number} at
 * @property {string} channel
 * @property {string} by
 * @property {string} [id]
 * @property {number} ms
 * @property {'ok' | 'error' | 'timeout'} outcome
 * @property {string} [error]
 */

/**
 * @typedef {object} News what the service sends
 * @property {string} [state]
 * @property {import('./layout.js').ChannelInfo[]} [topology]
 * @property {import('./wiring.js').Traffic[]} channels
 * @property {Message[]} messages
 * @property {number} missed
 */

/** How many messages are kept, and how many of them are shown. */
const kept = 1_000
const shown = 200

/** @type {import('./layout.js').ChannelInfo[]} */
let topology = []
/** @type {Message[]} the newest first */
let messages = []
/** @type {Message[]} those that came during a pause */
let waiting = []
let missed = 0
/** @type {import('./wiring.js').Traffic[]} */
let traffic = []
let chosen = ''
let paused = false

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id))
const channelChoice = /** @type {HTMLSelectElement} */ (part('channel'))
const failuresOnly = /** @type {HTMLInputElement} */ (part('failures'))
const wiring = new Wiring(part('wiring'), choose)

listen()
channelChoice.onchange = () => choose(channelChoice.value)
failuresOnly.onchange = showMessages
part('pause').onclick = pause

function listen() {
  const events = new EventSource('bus/events') // beside this page, wherever a proxy has put it
  events.onopen = () => connected(true)
  events.onmessage = ({ data }) => hear(JSON.parse(data))
  events.onerror = () => {
    connected(false)
    // A browser tries again by itself where a connection broke, and never after a reply that is no stream, such as 503.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 3_000)
  }
}

/** @param {boolean} live */
function connected(live) {
  part('connection').textContent = live ? 'live' : 'not connected, trying again'
  part('connection').classList.toggle('live', live)
  if (!live) part('state').textContent = part('state').className = '…' // nobody knows
  // What is known of the past comes once more, perhaps from another process.
  if (live) {
    messages = []
    waiting = []
    missed = 0
  }
}

/** @param {News} news */
function hear(news) {
  if (news.state) part('state').textContent = part('state').className = news.state
  if (news.topology) rewire(news.topology)
  traffic = news.channels
  wiring.count(traffic)
  showChosen()
  wiring.pass(news.messages)
  missed += news.missed
  if (paused) waiting = [...waiting, ...news.messages].slice(-kept)
  else take(news.messages)
}

/** @param {import('./layout.js').ChannelInfo[]} wired */
function rewire(wired) {
  topology = wired
  wiring.show(wired)
  channelChoice.replaceChildren(new Option('all', ''), ...wired.map(({ channel }) => new Option(channel, channel)))
  choose(wired.some(({ channel }) => channel === chosen) ? chosen : '')
}

/** @param {string} channel whose messages are shown alone; the empty string for those of all */
function choose(channel) {
  chosen = channel
  channelChoice.value = channel
  wiring.choose(channel)
  showChosen()
  showMessages()
}

function pause() {
  paused = !paused
  part('pause').ariaPressed = String(paused)
  take(paused ? [] : waiting.splice(0))
}

/** @param {Message[]} more */
function take(more) {
  messages = [...more.toReversed(), ...messages].slice(0, kept)
  showMessages()
}

function showChosen() {
  const wired = topology.find(({ channel }) => channel === chosen)
  part('chosen').hidden = !wired
  if (!wired) return
  const users = wired.usedBy.join(', ') || 'nobody has declared to'
  const hearers = wired.handlers.map(({ name, priority }) =>
    wired.kind === 'request' || priority === 50 ? name : `${name} (${priority})`,
  )
  const [uses, hears] =
    wired.kind === 'request' ? ['Asked by', 'Answered by'] : ['Published by', 'Heard by, in this order']
  part('chosen').className = wired.kind
  part('chosen').replaceChildren(
    element('p', '', `${uses}: ${users}`),
    element('p', '', `${hears}: ${hearers.join(', ') || 'nobody'}`),
    element('p', '', numbersOf(chosen)),
  )
}

/** @param {string} wanted */
function numbersOf(wanted) {
  const numbers = traffic.find(({ channel }) => channel === wanted)
  if (!numbers) return 'Nothing has passed yet.'
  const [half, most] = [milliseconds(numbers.p50), milliseconds(numbers.p99)]
  return `${count(numbers.count)} calls, ${count(numbers.failed)} failed. Half took ${half} at most, 99% ${most}.`
}

function showMessages() {
  const wanted = messages.filter(
    ({ channel, outcome }) => (!chosen || channel === chosen) && (!failuresOnly.checked || outcome !== 'ok'),
  )
  part('messages').replaceChildren(...wanted.slice(0, shown).map(row))
  part('note').textContent = noteOn(wanted.length)
}

/** @param {number} wanted how many there are to show */
function noteOn(wanted) {
  if (paused) return 'Paused.'
  if (messages.length === 0) return `Nothing has passed yet. Try: curl ${location.origin}/secret`
  if (wanted === 0) return 'None like these so far.'
  return missed > 0 ? `${count(missed)} more came too fast to show, or before this page.` : ''
}

/** @param {Message} message */
function row({ at, channel, by, id, ms, outcome, error }) {
  const item = element('li', outcome === 'ok' ? '' : 'failed')
  item.append(
    element('time', '', timeOfDay(at)),
    element('span', 'what', `${channel} → ${by}`),
    element('span', 'ms', milliseconds(ms)),
    element('span', 'outcome', outcome),
    element('span', 'id', [error, id].filter(Boolean).join(' · ')),
  )
  return item
}

/** @param {string} tag @param {string} kind its classes @param {string} text */
function element(tag, kind, text = '') {
  const made = document.createElement(tag)
  made.className = kind
  made.textContent = text
  return made
}
