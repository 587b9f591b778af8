import { describe, expect, test } from 'vitest'
import { event, request } from '../../../src/bus/channel.ts'
import { topologyFormats } from '../../../src/bus/topology/formats.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'

/** A bus with a request, an event that somebody hears early, and one that nobody hears or uses. */
function wired() {
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

describe('the wiring', () => {
  test('as a table is aligned, in the order of delivery, and says which priority is not the usual one', () => {
    expect(topologyFormats.table(wired()).split('\n')).toEqual([
      'CHANNEL   KIND     USED BY  HEARD BY, IN THIS ORDER',
      'tea.get   request  kitchen  kettle',
      'tea.made  event    kitchen  a "loud" guest (0), guest',
    ])
  })

  test('as a table has a dash for nobody', () => {
    const [, line] = topologyFormats.table([{ channel: 'x', kind: 'event', usedBy: [], handlers: [] }]).split('\n')

    expect(line).toBe('x        event  -        -')
  })

  test('as JSON is what it is', () => {
    const topology = wired()

    expect(JSON.parse(topologyFormats.json(topology))).toEqual(topology)
  })

  test('as Mermaid has everyone once, whatever the name, and an arrow for each that uses or hears', () => {
    expect(topologyFormats.mermaid(wired()).split('\n')).toEqual([
      'flowchart LR',
      '  s0["kitchen"]',
      '  s1["kettle"]',
      '  s2["a #34;loud#34; guest"]',
      '  s3["guest"]',
      '  c0{{"tea.get"}}',
      '  c1(["tea.made"])',
      '  s0 -- asks --> c0',
      '  c0 -- answered by --> s1',
      '  s0 -- publishes --> c1',
      '  c1 -- heard by --> s2',
      '  c1 -- heard by --> s3',
    ])
  })

  test('as Mermaid leaves out what nobody uses or hears', () => {
    expect(topologyFormats.mermaid([{ channel: 'x', kind: 'event', usedBy: [], handlers: [] }])).toBe('flowchart LR')
  })
})
