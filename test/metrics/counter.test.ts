import { describe, expect, test } from 'vitest'
import { collectMetrics } from '../../src/channels.ts'
import { familyOf } from '../../src/handlers/metrics/family.ts'
import { counter } from '../../src/metrics/counter.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'

const orders = { name: 'orders_total', help: 'Orders.' }

describe('a counter without labels', () => {
  test('starts at 0', () => {
    expect(counter(orders).metric()).toEqual({ ...orders, type: 'counter', values: [{ value: 0 }] })
  })

  test('adds 1 by default, or the given value', () => {
    const counted = counter(orders)

    counted.add()
    counted.add(0)
    counted.add(2.5)

    expect(counted.metric().values).toEqual([{ value: 3.5 }])
  })

  test.each([-1, Number.NaN, Infinity])('refuses an increase of %d and keeps its value', (value) => {
    const counted = counter(orders)

    expect(() => counted.add(value)).toThrow(
      RangeError(`increase of orders_total must be finite and not negative, received ${value}`),
    )

    expect(counted.metric().values).toEqual([{ value: 0 }])
  })

  test('is a metric that subscribers can return', async () => {
    const counted = counter(orders)
    const { bus } = recordedBus({ shop: (bus) => bus.subscribe(collectMetrics, () => [counted.metric()]) })
    counted.add()

    const [metrics] = await bus.publish(collectMetrics)

    expect(metrics?.map((metric) => familyOf(metric).text)).toEqual([
      '# HELP orders_total Orders.\n# TYPE orders_total counter\norders_total 1',
    ])
  })
})

describe('a counter with labels', () => {
  const labeled = () => counter({ ...orders, labels: ['shop', 'state'] })

  test('has no values before its first series', () => {
    expect(labeled().metric().values).toEqual([])
  })

  test('counts each set of labels separately, from 0', () => {
    const counted = labeled()
    const paid = counted.labels({ shop: 'a', state: 'paid' })
    counted.labels({ shop: 'a', state: 'open' })

    paid.add()
    paid.add()

    expect(counted.metric().values).toEqual([
      { labels: { shop: 'a', state: 'paid' }, value: 2 },
      { labels: { shop: 'a', state: 'open' }, value: 0 },
    ])
  })

  test('returns the same series for the same labels, in any order', () => {
    const counted = labeled()

    expect(counted.labels({ state: 'paid', shop: 'a' })).toBe(counted.labels({ shop: 'a', state: 'paid' }))
  })

  test('distinguishes values that read the same when joined', () => {
    const counted = labeled()

    expect(counted.labels({ shop: 'a,b', state: 'c' })).not.toBe(counted.labels({ shop: 'a', state: 'b,c' }))
    expect(counted.labels({ shop: '","', state: '' })).not.toBe(counted.labels({ shop: '', state: '","' }))
  })

  test('is not affected by later changes to the given objects', () => {
    const names: ('shop' | 'state')[] = ['shop']
    const counted = counter({ ...orders, labels: names })
    const labels = { shop: 'a', state: 'x' }
    names.push('state')

    expect(() => counted.labels(labels)).toThrow(TypeError('orders_total must have no label state'))
  })

  test('requires exactly its labels, as strings', () => {
    const counted = labeled()

    // @ts-expect-error the state is missing
    expect(() => counted.labels({ shop: 'a' })).toThrow(
      TypeError('label state of orders_total must be a string, received undefined'),
    )
    // @ts-expect-error a number is not a string
    expect(() => counted.labels({ shop: 'a', state: 1 })).toThrow(
      TypeError('label state of orders_total must be a string, received number'),
    )
    // @ts-expect-error the counter does not have this label
    expect(() => counted.labels({ shop: 'a', state: 'paid', other: 'x' })).toThrow(
      TypeError('orders_total must have no label other'),
    )
    expect(counted.metric().values).toEqual([])
  })
})

describe('the definition of a counter', () => {
  test.each(['', 'orders total', '1st', 'orders-total', undefined, 7])('refuses the name %j', (name) => {
    const received = typeof name === 'string' ? JSON.stringify(name) : typeof name
    expect(() => counter({ ...orders, name: name as string })).toThrow(
      TypeError(`name must match ^[a-zA-Z_:][a-zA-Z0-9_:]*$, received ${received}`),
    )
  })

  test.each(['', ' ', undefined])('refuses the help text %j', (help) => {
    expect(() => counter({ ...orders, help: help as string })).toThrow(TypeError('help of orders_total must be a text'))
  })

  test.each(['', 'a-b', 'a:b', '1'])('refuses the label %j', (label) => {
    expect(() => counter({ ...orders, labels: [label] })).toThrow(
      TypeError(`label of orders_total must match ^[a-zA-Z_][a-zA-Z0-9_]*$, received ${JSON.stringify(label)}`),
    )
  })

  test('refuses reserved and duplicate labels', () => {
    expect(() => counter({ ...orders, labels: ['__name__'] })).toThrow(
      RangeError('label __name__ of orders_total is reserved'),
    )
    expect(() => counter({ ...orders, labels: ['a', 'a'] })).toThrow(RangeError('labels of orders_total must differ'))
  })

  test('accepts the label le, which is reserved in histograms only', () => {
    const counted = counter({ ...orders, labels: ['le'] })
    counted.labels({ le: '1' })

    expect(familyOf(counted.metric()).text).toContain('orders_total{le="1"} 0')
  })
})

test.each(['5', null, 1n])('the increase %s is refused, because it is not a number', (value) => {
  const counted = counter({ name: 'orders_total', help: 'Orders.' })

  expect(() => counted.add(value as unknown as number)).toThrow(RangeError)
  expect(counted.metric().values).toEqual([{ value: 0 }])
})

test.each(['ab', 5, {}])('the labels %j are refused, because they are not a list', (labels) => {
  expect(() => counter({ name: 'orders_total', help: 'Orders.', labels: labels as never })).toThrow(
    TypeError('labels of orders_total must be a list'),
  )
})
