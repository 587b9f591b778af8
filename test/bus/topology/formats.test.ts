import { describe, expect, test } from 'vitest'
import { event, request } from '../../../src/bus/channel.ts'
import { topologyFormats } from '../../../src/bus/topology/formats.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'

/** The topology of a request and an event, with listeners of different priorities. */
function exampleTopology() {
  const getTea = request<void, string>('tea.get')
  const teaMade = event('tea.made')
  const { bus } = recordedBus({
    kitchen: (bus) => {
      bus.requester(getTea)
      bus.publisher(teaMade)
    },
    kettle: (bus) => bus.provide(getTea, () => 'tea'),
    guest: (bus) => bus.subscribe(teaMade, () => {}),
    'a "loud" guest': (bus) => bus.subscribe(teaMade, () => {}, { priority: 0 }),
  })
  return bus.topology().filter(({ channel }) => channel.startsWith('tea.'))
}

describe('the topology', () => {
  test('as a table is aligned, in the order of delivery, with priorities other than the default', () => {
    expect(topologyFormats.table(exampleTopology()).split('\n')).toEqual([
      'CHANNEL   KIND     USED BY  HANDLERS, IN ORDER',
      'tea.get   request  kitchen  kettle',
      'tea.made  event    kitchen  a "loud" guest (0), guest',
    ])
  })

  test('as a table has a dash for an empty cell', () => {
    const [, line] = topologyFormats.table([{ channel: 'x', kind: 'event', usedBy: [], handlers: [] }]).split('\n')

    expect(line).toBe('x        event  -        -')
  })

  test('as JSON is unchanged', () => {
    const topology = exampleTopology()

    expect(JSON.parse(topologyFormats.json(topology))).toEqual(topology)
  })

  test('as Mermaid has one escaped node per subscriber and an arrow for each use and handler', () => {
    expect(topologyFormats.mermaid(exampleTopology()).split('\n')).toEqual([
      'flowchart LR',
      '  s0["kitchen"]',
      '  s1["kettle"]',
      '  s2["a #34;loud#34; guest"]',
      '  s3["guest"]',
      '  c0{{"tea.get"}}',
      '  c1(["tea.made"])',
      '  s0 -- requests --> c0',
      '  c0 -- provided by --> s1',
      '  s0 -- publishes --> c1',
      '  c1 -- received by --> s2',
      '  c1 -- received by --> s3',
    ])
  })

  test('as Mermaid omits channels without users and handlers', () => {
    expect(topologyFormats.mermaid([{ channel: 'x', kind: 'event', usedBy: [], handlers: [] }])).toBe('flowchart LR')
  })
})
