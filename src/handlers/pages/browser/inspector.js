/** The inspector page: shows the topology, statistics and calls of the bus live. */
import { element, isFailure } from './message.js'
import { MessageList } from './message-list.js'
import { RequestView } from './request-view.js'
import { count, milliseconds } from './units.js'
import { Wiring } from './wiring.js'

/** @typedef {import('./message.js').Message} Message */

/**
 * @typedef {object} Update an event sent by the service
 * @property {string} [state]
 * @property {import('./layout.js').ChannelInfo[]} [topology]
 * @property {import('./wiring.js').Traffic[]} channels
 * @property {Message[]} messages
 * @property {number} missed
 */

/** The number of messages to keep, and of those to show. */
const maxKept = 1_000
const maxShown = 200

/** @type {import('./layout.js').ChannelInfo[]} */
let topology = []
/** @type {Message[]} newest first */
let messages = []
/** @type {Message[]} received while paused */
let pending = []
let missed = 0
/** @type {import('./wiring.js').Traffic[]} */
let traffic = []
let chosen = ''
let paused = false

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id))
const channelSelect = /** @type {HTMLSelectElement} */ (byId('channel'))
const failuresOnly = /** @type {HTMLInputElement} */ (byId('failures'))
const wiring = new Wiring(byId('wiring'), choose)
const list = new MessageList(byId('messages'), showRequest, showMessages)
const requestView = new RequestView(byId('request'))

connect()
channelSelect.onchange = () => choose(channelSelect.value)
failuresOnly.onchange = showMessages
byId('pause').onclick = togglePause
byId('close').onclick = closeRequest
document.onkeydown = ({ key }) => {
  if (key === 'Escape') closeRequest()
}

function connect() {
  const events = new EventSource('bus/events') // relative, so that it works behind a proxy that adds a prefix
  events.onopen = () => showConnection(true)
  events.onmessage = ({ data }) => handleUpdate(JSON.parse(data))
  events.onerror = () => {
    showConnection(false)
    // Browsers reconnect after a broken connection, but not after a response that is not a stream, such as a 503.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 3_000)
  }
}

/** @param {boolean} live */
function showConnection(live) {
  byId('connection').textContent = live ? 'live' : 'disconnected, reconnecting…'
  byId('connection').classList.toggle('live', live)
  if (!live) byId('state').textContent = byId('state').className = '…'
  // The service sends recent messages again, and may have been restarted.
  if (live) {
    messages = []
    pending = []
    missed = 0
    list.clear()
    requestView.freeze()
  }
}

/** @param {Update} update */
function handleUpdate(update) {
  if (update.state) byId('state').textContent = byId('state').className = update.state
  if (update.topology) showTopology(update.topology)
  traffic = update.channels
  wiring.count(traffic)
  showDetails()
  wiring.pass(update.messages)
  requestView.add(update.messages)
  missed += update.missed
  if (paused) pending = [...pending, ...update.messages].slice(-maxKept)
  else addMessages(update.messages)
}

/** @param {import('./layout.js').ChannelInfo[]} channels */
function showTopology(channels) {
  topology = channels
  wiring.show(channels)
  channelSelect.replaceChildren(new Option('All', ''), ...channels.map(({ channel }) => new Option(channel, channel)))
  choose(channels.some(({ channel }) => channel === chosen) ? chosen : '')
}

/** @param {string} channel the channel whose messages to show; empty for all channels */
function choose(channel) {
  chosen = channel
  channelSelect.value = channel
  wiring.choose(channel)
  showDetails()
  showMessages()
}

function togglePause() {
  paused = !paused
  byId('pause').ariaPressed = String(paused)
  addMessages(paused ? [] : pending.splice(0))
}

/** @param {Message[]} more */
function addMessages(more) {
  messages = [...more.toReversed(), ...messages].slice(0, maxKept)
  showMessages()
}

function showDetails() {
  const info = topology.find(({ channel }) => channel === chosen)
  byId('chosen').hidden = !info
  if (!info) return
  const users = info.usedBy.join(', ') || 'none declared'
  const handlers = info.handlers.map(({ name, priority }) =>
    info.kind === 'request' || priority === 50 ? name : `${name} (${priority})`,
  )
  const [usersLabel, handlersLabel] =
    info.kind === 'request' ? ['Requested by', 'Provided by'] : ['Published by', 'Received by, in order']
  byId('chosen').className = info.kind
  byId('chosen').replaceChildren(
    element('p', '', `${usersLabel}: ${users}`),
    element('p', '', `${handlersLabel}: ${handlers.join(', ') || 'none'}`),
    element('p', '', statisticsOf(chosen)),
  )
}

/** @param {string} name */
function statisticsOf(name) {
  const stats = traffic.find(({ channel }) => channel === name)
  if (!stats) return 'No calls yet.'
  const [p50, p99] = [milliseconds(stats.p50), milliseconds(stats.p99)]
  return `${count(stats.count)} calls, ${count(stats.failed)} failed. Duration: median ${p50}, p99 ${p99}.`
}

function showMessages() {
  const selected = messages.filter(
    ({ channel, outcome }) => (!chosen || channel === chosen) && (!failuresOnly.checked || isFailure(outcome)),
  )
  const held = list.show(selected.slice(0, maxShown))
  byId('note').textContent = noteOn(selected.length, held)
}

/** @param {Message | undefined} message shows its request; without one, hides the last */
function showRequest(message) {
  if (message) requestView.show(message.request, [...messages.toReversed(), ...pending])
  else requestView.hide()
}

function closeRequest() {
  list.deselect()
  requestView.hide()
}

/**
 * @param {number} selected the number of messages that match the filters
 * @param {number} held the number of those that the list holds back
 */
function noteOn(selected, held) {
  if (paused) return 'Paused.'
  if (messages.length === 0) return `No messages yet. Try: curl ${location.origin}/secret`
  if (selected === 0) return 'No matching messages.'
  if (held > 0) return `${count(held)} newer messages will appear when the pointer leaves the list.`
  return missed > 0 ? `${count(missed)} earlier messages are not available.` : ''
}
