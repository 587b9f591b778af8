/** Computes the positions of the graph: users, channels and handlers in three columns of equal width. */

/**
 * @typedef {object} ChannelInfo a channel of the bus topology
 * @property {string} channel
 * @property {'event' | 'request'} kind
 * @property {string[]} usedBy
 * @property {{ name: string, priority: number }[]} handlers
 */

/**
 * @typedef {object} Box
 * @property {string} name the name of a channel or subscriber
 * @property {string[]} channels the channel, or the channels of the subscriber
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 */

/**
 * @typedef {object} Line a line between a channel and a subscriber
 * @property {ChannelInfo} info
 * @property {string | undefined} handler the subscriber, if it is a handler
 * @property {[x: number, y: number]} from
 * @property {[x: number, y: number]} to
 */

const top = 28
const channelHeight = 42
const subscriberHeight = 26
const gap = 9
/** Keeps the strokes of the outermost boxes inside the graph. */
const margin = 1

/**
 * @param {ChannelInfo[]} topology the channels from top to bottom
 * @param {number} width the width of the graph in pixels
 * @returns {{ columns: number[], users: Box[], channels: Box[], handlers: Box[], lines: Line[], height: number }}
 *   `columns` are the horizontal centers of the columns
 */
export function layoutOf(topology, width) {
  const space = Math.max(14, width * 0.07)
  const column = (width - 2 * margin - 2 * space) / 3
  const left = (/** @type {number} */ index) => margin + index * (column + space)

  const rows = topology.map(({ channel }, row) => ({ name: channel, channels: [channel], wanted: row }))
  const channels = stack(rows, channelHeight, left(1), column)
  const center = (/** @type {string} */ channel) => centerOf(boxOf(channels, channel))

  const side = (/** @type {(info: ChannelInfo) => string[]} */ namesOf, /** @type {number} */ x) => {
    const names = new Set(topology.flatMap(namesOf))
    const subscribers = [...names].map((name) => {
      const own = topology.filter((info) => namesOf(info).includes(name)).map(({ channel }) => channel)
      const distinctive = own.filter((channel) => !isLifecycle(channel))
      return { name, channels: own, wanted: mean((distinctive.length > 0 ? distinctive : own).map(center)) }
    })
    return stack(subscribers, subscriberHeight, x, column)
  }
  const users = side(({ usedBy }) => usedBy, left(0))
  const handlers = side(({ handlers }) => handlers.map(({ name }) => name), left(2))

  /** @type {Line[]} */
  const lines = topology.flatMap((info) => {
    const channel = boxOf(channels, info.channel)
    const used = info.usedBy.map((name) => join(boxOf(users, name), channel))
    const handled = info.handlers.map(({ name }) => ({ ...join(channel, boxOf(handlers, name)), handler: name }))
    return [...used, ...handled].map((line) => ({ handler: undefined, ...line, info }))
  })
  const height = Math.max(...[...users, ...channels, ...handlers].map((box) => box.y + box.height)) + 4
  return { columns: [0, 1, 2].map((index) => left(index) + column / 2), users, channels, handlers, lines, height }
}

/** Most subscribers listen to lifecycle channels, so these say little about the topology. @param {string} channel */
export function isLifecycle(channel) {
  return channel.startsWith('lifecycle.')
}

/**
 * Sorts the channels so that few lines cross: channels with the same subscribers come together. Lifecycle channels come
 * last, in their original order.
 * @param {ChannelInfo[]} topology
 */
export function sortedChannels(topology) {
  let rows = topology.filter(({ channel }) => !isLifecycle(channel))
  const subscribers = new Set(rows.flatMap(subscribersOf))
  for (let round = 0; round < 8; round += 1) {
    const positions = new Map(
      [...subscribers].map((name) => [
        name,
        mean(rows.flatMap((info, row) => (subscribersOf(info).includes(name) ? [row] : []))),
      ]),
    )
    const wanted = new Map(
      rows.map((info) => [info, mean(subscribersOf(info).map((name) => positions.get(name) ?? 0))]),
    )
    rows = rows.toSorted((one, other) => (wanted.get(one) ?? 0) - (wanted.get(other) ?? 0))
  }
  return [...rows, ...topology.filter(({ channel }) => isLifecycle(channel))]
}

/** @param {ChannelInfo} info */
function subscribersOf({ usedBy, handlers }) {
  return [...usedBy, ...handlers.map(({ name }) => name)]
}

/**
 * Stacks boxes without overlap, each as close as possible to its preferred vertical center, `wanted`.
 * @param {{ name: string, channels: string[], wanted: number }[]} parts
 * @param {number} height
 * @param {number} x
 * @param {number} width
 * @returns {Box[]}
 */
function stack(parts, height, x, width) {
  let free = top
  const boxes = parts
    .toSorted((one, other) => one.wanted - other.wanted)
    .map(({ name, channels, wanted }) => {
      const y = Math.max(free, wanted - height / 2)
      free = y + height + gap
      return { name, channels, wanted, x, y, width, height }
    })
  // Boxes were only moved down, so move all of them up by the average.
  const pushed = mean(boxes.map((box) => centerOf(box) - box.wanted))
  const shift = Math.max(0, Math.min(pushed, (boxes[0]?.y ?? top) - top))
  return boxes.map(({ wanted: _, ...box }) => ({ ...box, y: box.y - shift }))
}

/** @param {Box[]} boxes @param {string} name @returns {Box} */
function boxOf(boxes, name) {
  const box = boxes.find((box) => box.name === name)
  if (!box) throw new Error(`No box for ${name}`)
  return box
}

/** @param {Box} box */
function centerOf({ y, height }) {
  return y + height / 2
}

/** @param {Box} left @param {Box} right @returns {Pick<Line, 'from' | 'to'>} */
function join(left, right) {
  return { from: [left.x + left.width, centerOf(left)], to: [right.x, centerOf(right)] }
}

/** @param {number[]} numbers */
function mean(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length)
}
