import { Gauge, register } from 'prom-client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { exposition } from '../../../src/handlers/metrics/exposition.ts'
import { Exposition } from '../../support/exposition.ts'

const sound = { name: 'sound', help: 'h', type: 'gauge', values: [{ value: 7 }] }

async function rendered(...metrics: unknown[]) {
  const complaints: string[] = []
  const collected = [...metrics.map((metric) => ({ by: 'faulty', metrics: metric })), { by: 'sound', metrics: [sound] }]
  const text = await exposition(collected, (by, reason) => complaints.push(`${by}: ${reason}`))
  return { document: new Exposition(text), complaints }
}

describe('the document', () => {
  test.each<[string, unknown, string]>([
    ['not a list', undefined, 'metrics must be an array, received undefined'],
    ['null', null, 'metrics must be an array, received null'],
    ['a list that contains no metric', [null], '(undefined): metric must be an object, received null'],
    ['a metric with an odd name', [{ ...sound, name: Symbol('s') }], '(symbol): name must match'],
    ['a metric with a name of 1 MB', [{ ...sound, name: '-'.repeat(1_000_000) }], `${'-'.repeat(100)}: name must`],
    [
      'a list that cannot be read',
      new Proxy([], {
        get() {
          throw new Error('trap')
        },
      }),
      'trap',
    ],
    [
      'a name twice',
      [
        { ...sound, name: 'x' },
        { ...sound, name: 'x' },
      ],
      'x: duplicate name',
    ],
    ['a name of the process', [{ ...sound, name: 'process_cpu_seconds_total' }], 'duplicate name'],
    [
      'a sample of a histogram of the process',
      [{ ...sound, name: 'nodejs_gc_duration_seconds_sum' }],
      'duplicate name',
    ],
    [
      'a sample of another histogram',
      [
        { name: 'x', help: 'h', type: 'histogram', values: [] },
        { ...sound, name: 'x_count' },
      ],
      'x_count: duplicate name',
    ],
    [
      'a histogram with a sample of another metric',
      [
        { ...sound, name: 'x_bucket' },
        { name: 'x', help: 'h', type: 'histogram', values: [] },
      ],
      'x: duplicate name',
    ],
  ])('has all valid families if a subscriber returns %s', async (_, metrics, reason) => {
    const { document, complaints } = await rendered(metrics)

    expect(document.values('sound')).toEqual({ '': 7 })
    expect(document.values('process_start_time_seconds')).toEqual({ '': expect.any(Number) })
    expect(complaints).toEqual([expect.stringMatching(/^faulty: /)])
    expect(complaints[0]).toContain(reason)
  })

  test.each<[string, () => void | Promise<void>, string]>([
    ['throws', () => Promise.reject(new Error('oops')), 'prom-client: foreign: oops'],
    ['hangs', () => new Promise(() => {}), 'prom-client: foreign: metric must be collected within 1000 ms'],
  ])('has all valid families if a metric registered with prom-client %s', async (_, collect, complaint) => {
    await rendered() // registers the metrics of the process
    new Gauge({ name: 'foreign', help: 'h', collect })
    onTestFinished(() => register.removeSingleMetric('foreign'))

    const { document, complaints } = await rendered()

    expect(document.values('sound')).toEqual({ '': 7 })
    expect(document.values('process_start_time_seconds')).toEqual({ '': expect.any(Number) })
    expect(complaints).toEqual([complaint])
  })
})
