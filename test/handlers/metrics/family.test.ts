import { describe, expect, test } from 'vitest'
import { familyOf } from '../../../src/handlers/metrics/family.ts'

const gauge = (more: object = {}) => ({ name: 'g', help: 'h', type: 'gauge', values: [{ value: 1 }], ...more })
const counter = (value: unknown) => ({ name: 'c_total', help: 'h', type: 'counter', values: [{ value }] })
const histogram = (more: object = {}) => ({
  name: 'h',
  help: 'h',
  type: 'histogram',
  values: [{ buckets: [{ atMost: 1, count: 1 }], sum: 0.5, count: 2, ...more }],
})
const throwing = (key: string) => ({
  ...gauge(),
  get [key]() {
    throw new Error('getter')
  },
})

describe('a family', () => {
  test.each<[string, unknown, string]>([
    ['a gauge', gauge(), '# HELP g h\n# TYPE g gauge\ng 1'],
    ['a counter', counter(0), '# HELP c_total h\n# TYPE c_total counter\nc_total 0'],
    [
      'a histogram',
      histogram({ labels: { a: 'x' } }),
      '# HELP h h\n# TYPE h histogram\nh_bucket{le="1",a="x"} 1\nh_bucket{le="+Inf",a="x"} 2\nh_sum{a="x"} 0.5\nh_count{a="x"} 2',
    ],
    [
      'labels and help with special characters',
      gauge({ help: 'a\nb\\c"d', values: [{ labels: { a: 'x"\\\ny' }, value: 1 }] }),
      '# HELP g a\\nb\\\\c"d\n# TYPE g gauge\ng{a="x\\"\\\\\\ny"} 1',
    ],
    [
      'labels that are numbers and booleans',
      gauge({ values: [{ labels: { a: 1, b: true }, value: 1 }] }),
      '# HELP g h\n# TYPE g gauge\ng{a="1",b="true"} 1',
    ],
    [
      'a lone surrogate',
      gauge({ values: [{ labels: { a: '\ud800' }, value: 1 }] }),
      '# HELP g h\n# TYPE g gauge\ng{a="\ufffd"} 1',
    ],
    ...(
      [
        [Number.NaN, 'NaN'],
        [Infinity, '+Inf'],
        [-Infinity, '-Inf'],
        [1e300, '1e+300'],
        [-0, '0'],
      ] as const
    ).map(([value, text]): [string, unknown, string] => [
      `a gauge of ${text}`,
      gauge({ values: [{ value }] }),
      `# HELP g h\n# TYPE g gauge\ng ${text}`,
    ]),
    ['no values', gauge({ values: [] }), ''],
  ])('is rendered: %s', (_, metric, text) => {
    expect(familyOf(metric).text).toBe(text)
  })

  test.each<[string, unknown, string]>([
    ['undefined', undefined, 'metric must be an object, received undefined'],
    ['null', null, 'metric must be an object, received null'],
    ['a string', 'x', 'metric must be an object, received "x"'],
    ['an array', [gauge()], 'metric must be an object, received an array'],
    ['a name with a dash', gauge({ name: 'bad-name' }), 'name must match'],
    ['a name with a line break', gauge({ name: 'x\ny 1' }), 'name must match'],
    ['a name that is a number', gauge({ name: 5 }), 'name must match'],
    ['a name that is a symbol', gauge({ name: Symbol('s') }), 'received Symbol(s)'],
    ['no help', gauge({ help: undefined }), 'help must match'],
    ['an empty help', gauge({ help: ' ' }), 'help must match'],
    ['an unknown type', gauge({ type: 'summary' }), 'type must be counter, gauge or histogram, received "summary"'],
    ['a type in upper case', gauge({ type: 'GAUGE' }), 'type must be'],
    ['no type', gauge({ type: undefined }), 'type must be'],
    ['no values', gauge({ values: undefined }), 'values must be an array, received undefined'],
    ['values that are an object', gauge({ values: { value: 1 } }), 'values must be an array, received an object'],
    ['a value that is null', gauge({ values: [null] }), 'value must be an object, received null'],
    ['a missing value', gauge({ values: new Array(1) }), 'value must be an object, received undefined'],
    ...[undefined, null, '5', 5n, new Date(0), true, {}, () => 1].map((value): [string, unknown, string] => [
      `a value of ${typeof value}`,
      gauge({ values: [{ value }] }),
      'value must be a number',
    ]),
    ...[-1, Number.NaN, Infinity].map((value): [string, unknown, string] => [
      `a counter of ${value}`,
      counter(value),
      'must be finite and not negative',
    ]),
    ['an undefined counter', counter(undefined), 'value must be a number'],
    ['a label with a dash', gauge({ values: [{ labels: { 'bad-label': 'x' }, value: 1 }] }), 'label name must match'],
    ['a reserved label', gauge({ values: [{ labels: { __name__: 'x' }, value: 1 }] }), 'label __name__ is reserved'],
    ['le on a histogram', histogram({ labels: { le: 'x' } }), 'label le is reserved'],
    ['a bad label on a histogram', histogram({ labels: { 'bad-label': 'x' } }), 'label name must match'],
    ...[undefined, null, {}, [], Symbol('s'), 1n].map((value): [string, unknown, string] => [
      `a label of ${typeof value}`,
      gauge({ values: [{ labels: { a: value }, value: 1 }] }),
      'label a must be a string',
    ]),
    ['labels that are an array', gauge({ values: [{ labels: ['a'], value: 1 }] }), 'labels must be an object'],
    [
      'the same labels twice',
      gauge({
        values: [
          { labels: { a: 'x', b: 'y' }, value: 1 },
          { labels: { b: 'y', a: 'x' }, value: 2 },
        ],
      }),
      'labels must differ',
    ],
    ['no labels twice', gauge({ values: [{ value: 1 }, { labels: {}, value: 2 }] }), 'labels must differ'],
    ['no buckets', histogram({ buckets: undefined }), 'buckets must be an array, received undefined'],
    ['a bucket that is a number', histogram({ buckets: [1] }), 'bucket must be an object, received 1'],
    ['no sum', histogram({ sum: undefined }), 'sum must be a number'],
    ['a count of NaN', histogram({ count: Number.NaN }), 'count must be finite'],
    [
      'descending buckets',
      histogram({
        buckets: [
          { atMost: 5, count: 1 },
          { atMost: 1, count: 1 },
        ],
      }),
      'atMost must be finite and ascending',
    ],
    ['an infinite bucket', histogram({ buckets: [{ atMost: Infinity, count: 1 }] }), 'atMost must be finite'],
    ['a bucket of NaN', histogram({ buckets: [{ atMost: Number.NaN, count: 1 }] }), 'atMost must be finite'],
    [
      'buckets that are not cumulative',
      histogram({
        buckets: [
          { atMost: 1, count: 2 },
          { atMost: 2, count: 1 },
        ],
      }),
      'counts must be cumulative',
    ],
    ['a bucket above the count', histogram({ buckets: [{ atMost: 1, count: 3 }] }), 'counts must be cumulative'],
    ['a getter that throws', throwing('values'), 'getter'],
    [
      'more than 4 MB',
      gauge({ values: [{ labels: { a: 'x'.repeat(5_000_000) }, value: 1 }] }),
      'must be at most 4194304 characters',
    ],
  ])('is invalid with %s', (_, metric, reason) => {
    expect(() => familyOf(metric)).toThrow(reason)
  })

  test('reads each property once, because a getter may answer differently the next time', () => {
    let reads = 0
    const metric = gauge({
      values: [
        {
          get value() {
            reads += 1
            return reads === 1 ? 7 : 'odd'
          },
        },
      ],
    })

    expect(familyOf(metric).text).toMatch(/\ng 7$/)
  })

  test('has the names of all its samples', () => {
    expect(familyOf(gauge()).names).toEqual(['g'])
    expect(familyOf(histogram()).names).toEqual(['h', 'h_bucket', 'h_sum', 'h_count'])
  })
})
