import { describe, expect, test } from 'vitest'
import { familyOf } from '../../src/handlers/metrics/family.ts'
import { histogram } from '../../src/metrics/histogram.ts'

const info = { name: 'order_seconds', help: 'Duration of orders.' }
const definition = { ...info, buckets: [0.1, 1, 10] }

describe('a histogram without labels', () => {
  test('starts with empty buckets', () => {
    expect(histogram(definition).metric()).toEqual({
      ...info,
      type: 'histogram',
      values: [
        {
          buckets: [
            { atMost: 0.1, count: 0 },
            { atMost: 1, count: 0 },
            { atMost: 10, count: 0 },
          ],
          sum: 0,
          count: 0,
        },
      ],
    })
  })

  test('counts values up to and including each bound, cumulatively', () => {
    const durations = histogram(definition)

    for (const value of [0, 0.1, 0.5, 1, 7, 10.5]) durations.observe(value)

    expect(durations.metric().values).toEqual([
      {
        buckets: [
          { atMost: 0.1, count: 2 },
          { atMost: 1, count: 4 },
          { atMost: 10, count: 5 },
        ],
        sum: 19.1,
        count: 6,
      },
    ])
  })

  test.each([Number.NaN, Infinity, -Infinity])('refuses the value %d and does not count it', (value) => {
    const durations = histogram(definition)

    expect(() => durations.observe(value)).toThrow(
      RangeError(`value of order_seconds must be finite, received ${value}`),
    )

    expect(durations.metric().values[0]).toMatchObject({ sum: 0, count: 0 })
  })

  test('is a valid metric', () => {
    const durations = histogram(definition)
    durations.observe(0.5)

    expect(familyOf(durations.metric()).text.split('\n')).toEqual([
      '# HELP order_seconds Duration of orders.',
      '# TYPE order_seconds histogram',
      'order_seconds_bucket{le="0.1"} 0',
      'order_seconds_bucket{le="1"} 1',
      'order_seconds_bucket{le="10"} 1',
      'order_seconds_bucket{le="+Inf"} 1',
      'order_seconds_sum 0.5',
      'order_seconds_count 1',
    ])
  })
})

describe('a histogram with labels', () => {
  test('has buckets for each set of labels', () => {
    const durations = histogram({ ...info, buckets: [1], labels: ['shop'] })
    expect(durations.metric().values).toEqual([])
    const first = durations.labels({ shop: 'a' })

    first.observe(0.5)
    durations.labels({ shop: 'b' }).observe(2)
    durations.labels({ shop: 'a' }).observe(3)

    expect(durations.metric().values).toEqual([
      { labels: { shop: 'a' }, buckets: [{ atMost: 1, count: 1 }], sum: 3.5, count: 2 },
      { labels: { shop: 'b' }, buckets: [{ atMost: 1, count: 0 }], sum: 2, count: 1 },
    ])
  })

  test('refuses the label le, which names the bounds', () => {
    expect(() => histogram({ ...definition, labels: ['le'] })).toThrow(
      RangeError('label le of order_seconds is reserved'),
    )
  })
})

describe('the buckets of a histogram', () => {
  test.each([[[1, 1]], [[2, 1]], [[1, Infinity]], [[-Infinity, 1]], [[Number.NaN]], [[1, Number.NaN, 2]]])(
    'must not be %j',
    (buckets) => {
      expect(() => histogram({ ...info, buckets })).toThrow(
        RangeError(`buckets of order_seconds must be finite and ascending, received ${buckets.join(', ')}`),
      )
    },
  )

  test.each([[[]], [undefined], ['1']])('must not be %j', (buckets) => {
    expect(() => histogram({ ...info, buckets: buckets as number[] })).toThrow(
      TypeError('buckets of order_seconds must be a list of at least one number'),
    )
  })

  test('do not change with the given list', () => {
    const buckets = [1]
    const durations = histogram({ ...info, buckets })

    buckets.push(2)

    expect(durations.metric().values[0]?.buckets).toEqual([{ atMost: 1, count: 0 }])
  })

  test('may be negative', () => {
    const temperatures = histogram({ ...info, buckets: [-10, 0] })
    temperatures.observe(-20)

    expect(temperatures.metric().values[0]).toMatchObject({ sum: -20, count: 1 })
  })
})

test('a bucket that is not a number is refused', () => {
  expect(() => histogram({ ...info, buckets: ['1' as unknown as number] })).toThrow(
    RangeError('buckets of order_seconds must be finite and ascending, received 1'),
  )
})
