/** Where the parts of the graph go: who uses a channel, the channel, who hears it, in three columns of equal width. */

/**
 * @typedef {object} ChannelInfo a channel, as the bus tells of it
 * @property {string} channel
 * @property {'event' | 'request'} kind
 * @property {string[]} usedBy
 * @property {{ name: string, priority: number }[]} handlers
 */

/**
 * @typedef {object} Box
 * @property {string} name of a channel or a subscriber
 * @property {string[]} channels those that it has to do with
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 */

/**
 * @typedef {object} Line from one box to another
 * @property {ChannelInfo} wired
 * @property {string | undefined} hearer whose line it is, if it leads to one
 * @property {[x: number, y: number]} from
 * @property {[x: number, y: number]} to
 */

const top = 28
const channelHeight = 42
const subscriberHeight = 26
const between = 9
/** For the lines around the outermost boxes. */
const margin = 1

/**
 * @param {ChannelInfo[]} topology from top to bottom
 * @param {number} width of all, in pixels
 * @returns {{ columns: number[], users: Box[], channels: Box[], hearers: Box[], lines: Line[], height: number }}
 *   `columns` are the middles of the three
 */
export function layoutOf(topology, width) {
  const space = Math.max(14, width * 0.07)
  const column = (width - 2 * margin - 2 * space) / 3
  const left = (/** @type {number} */ index) => margin + index * (column + space)

  const rows = topology.map(({ channel }, row) => ({ name: channel, channels: [channel], wanted: row }))
  const channels = stack(rows, channelHeight, left(1), column)
  const middle = (/** @type {string} */ channel) => middleOf(boxOf(channels, channel))

  const side = (/** @type {(wired: ChannelInfo) => string[]} */ namesOf, /** @type {number} */ x) => {
    const names = new Set(topology.flatMap(namesOf))
    const subscribers = [...names].map((name) => {
      const own = topology.filter((wired) => namesOf(wired).includes(name)).map(({ channel }) => channel)
      const distinctive = own.filter((channel) => !ofProcess(channel))
      return { name, channels: own, wanted: mean((distinctive.length > 0 ? distinctive : own).map(middle)) }
    })
    return stack(subscribers, subscriberHeight, x, column)
  }
  const users = side(({ usedBy }) => usedBy, left(0))
  const hearers = side(({ handlers }) => handlers.map(({ name }) => name), left(2))

  /** @type {Line[]} */
  const lines = topology.flatMap((wired) => {
    const channel = boxOf(channels, wired.channel)
    const used = wired.usedBy.map((name) => join(boxOf(users, name), channel))
    const heard = wired.handlers.map(({ name }) => ({ ...join(channel, boxOf(hearers, name)), hearer: name }))
    return [...used, ...heard].map((line) => ({ hearer: undefined, ...line, wired }))
  })
  const height = Math.max(...[...users, ...channels, ...hearers].map((box) => box.y + box.height)) + 4
  return { columns: [0, 1, 2].map((index) => left(index) + column / 2), users, channels, hearers, lines, height }
}

/** Whether it is one of those that nearly everybody hears, and that tell little of who has to do with whom. @param {string} channel */
export function ofProcess(channel) {
  return channel.startsWith('lifecycle.')
}

/**
 * The channels in an order in which few lines cross: those come together that have to do with the same subscribers. Those
 * of the process are last, as they are.
 * @param {ChannelInfo[]} topology
 */
export function untangled(topology) {
  let rows = topology.filter(({ channel }) => !ofProcess(channel))
  const parties = new Set(rows.flatMap(partiesOf))
  for (let round = 0; round < 8; round += 1) {
    const places = new Map(
      [...parties].map((name) => [
        name,
        mean(rows.flatMap((wired, row) => (partiesOf(wired).includes(name) ? [row] : []))),
      ]),
    )
    const wanted = new Map(rows.map((wired) => [wired, mean(partiesOf(wired).map((name) => places.get(name) ?? 0))]))
    rows = rows.toSorted((one, other) => (wanted.get(one) ?? 0) - (wanted.get(other) ?? 0))
  }
  return [...rows, ...topology.filter(({ channel }) => ofProcess(channel))]
}

/** @param {ChannelInfo} wired */
function partiesOf({ usedBy, handlers }) {
  return [...usedBy, ...handlers.map(({ name }) => name)]
}

/**
 * One below the other, each as near to where it is wanted as the others leave it.
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
      free = y + height + between
      return { name, channels, wanted, x, y, width, height }
    })
  // They were only ever pushed down: half of that is given back.
  const pushed = mean(boxes.map((box) => middleOf(box) - box.wanted))
  const shift = Math.max(0, Math.min(pushed, (boxes[0]?.y ?? top) - top))
  return boxes.map(({ wanted: _, ...box }) => ({ ...box, y: box.y - shift }))
}

/** @param {Box[]} boxes @param {string} name @returns {Box} */
function boxOf(boxes, name) {
  const box = boxes.find((box) => box.name === name)
  if (!box) throw new Error(`there is no box for ${name}`)
  return box
}

/** @param {Box} box */
function middleOf({ y, height }) {
  return y + height / 2
}

/** @param {Box} left @param {Box} right @returns {Pick<Line, 'from' | 'to'>} */
function join(left, right) {
  return { from: [left.x + left.width, middleOf(left)], to: [right.x, middleOf(right)] }
}

/** @param {number[]} numbers */
function mean(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length)
}
