import { expect, test } from 'vitest'

interface Message {
  readonly span: number
  readonly parent?: number
  readonly start: number
  readonly ms: number
  readonly nth: number
}

interface Waterfall {
  readonly rows: readonly {
    readonly message: Message
    readonly depth: number
    readonly offset: number
    readonly left: number
    readonly width: number
  }[]
  readonly ms: number
  readonly missing: number
  readonly isRunning: boolean
}

/** A module for browsers, whose types are in comments. */
const { waterfallOf, maxRows }: { waterfallOf: (messages: readonly Message[]) => Waterfall; maxRows: number } =
  await import(new URL('../../../../src/handlers/pages/browser/waterfall.js', import.meta.url).href)

/** `identify` ends before `get` starts, which waits for `fetch`; `accessed` follows. In the order of completion. */
const identify = { span: 1, start: 100, ms: 10, nth: 1 }
const fetched = { span: 3, parent: 2, start: 130, ms: 40, nth: 2 }
const got = { span: 2, start: 120, ms: 60, nth: 3 }
const accessed = { span: 4, start: 190, ms: 10, nth: 4 }

test('nests calls in the order of their start', () => {
  const { rows, ms, missing, isRunning } = waterfallOf([accessed, got, fetched, identify])

  expect(rows.map(({ message, depth }) => [message.span, depth])).toEqual([
    [1, 0],
    [2, 0],
    [3, 1],
    [4, 0],
  ])
  expect(ms).toBe(100)
  expect(rows.map(({ offset }) => offset)).toEqual([0, 20, 30, 90])
  expect(rows.map(({ left, width }) => [left, width])).toEqual([
    [0, 0.1],
    [0.2, 0.6],
    [0.3, 0.4],
    [0.9, 0.1],
  ])
  expect({ missing, isRunning }).toEqual({ missing: 0, isRunning: false })
})

test('orders calls that start at the same time by completion', () => {
  const { rows } = waterfallOf([
    { span: 5, start: 1, ms: 0, nth: 2 },
    { span: 6, start: 1, ms: 0, nth: 1 },
  ])

  expect(rows.map(({ message, left, width }) => [message.span, left, width])).toEqual([
    [6, 0, 0],
    [5, 0, 0],
  ])
})

test('reports that the call around another one is running', () => {
  const { rows, isRunning } = waterfallOf([identify, fetched])

  expect(rows.map(({ message, depth }) => [message.span, depth])).toEqual([
    [1, 0],
    [3, 0],
  ])
  expect(isRunning).toBe(true)
})

test.for<[string, Message[], number]>([
  ['the first', [fetched, got, accessed], 1],
  ['the first two', [got, accessed], 2],
  ['one between others', [identify, fetched, accessed], 1],
])('counts missing calls: %s', ([, messages, missing]) => {
  expect(waterfallOf(messages)).toMatchObject({ missing, isRunning: false })
})

test('shows the latest of many calls', () => {
  const messages = Array.from({ length: maxRows + 3 }, (_, index) => ({
    span: index,
    start: index,
    ms: 1,
    nth: index + 1,
  }))

  const { rows, missing } = waterfallOf(messages)

  expect(rows).toHaveLength(maxRows)
  expect(rows[0]?.message.nth).toBe(4)
  expect(missing).toBe(3)
})
