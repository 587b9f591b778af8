import { expect, test } from 'vitest'
import { RejectionLog } from '../../../src/handlers/server/rejection-log.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'

test('logs the first request of each code at once, and the number of the others at intervals until there are none', async () => {
  const { bus, records } = recordedBus({})
  const log = new RejectionLog(bus, 20)
  const lines = () => records.map(({ message, fields }) => [message, fields])
  const first = [
    ['Rejecting requests: busy', { code: 'OVERLOADED', reqId: '0' }],
    ['Rejecting requests: stopping', { code: 'BUS_EXITING', reqId: 'other' }],
  ]

  for (let count = 0; count < 3; count += 1) log.add('OVERLOADED', 'busy', { reqId: String(count) })
  log.add('BUS_EXITING', 'stopping', { reqId: 'other' })
  expect(lines()).toEqual(first)

  const more = [...first, ['Rejected 2 more requests: OVERLOADED', { code: 'OVERLOADED', count: 2 }]]
  await expect.poll(lines).toEqual(more)
  // Once no request was rejected for an interval, the next one is logged at once.
  await expect
    .poll(() => {
      log.add('BUS_EXITING', 'again', {})
      return lines().at(-1)
    })
    .toEqual(['Rejecting requests: again', { code: 'BUS_EXITING' }])
})

test('logs the rest when the server closes', () => {
  const { bus, messages } = recordedBus({})
  const log = new RejectionLog(bus)

  for (let count = 0; count < 3; count += 1) log.add('OVERLOADED', 'busy', {})
  log.flush()
  log.flush()

  expect(messages('warn')).toEqual(['Rejecting requests: busy', 'Rejected 2 more requests: OVERLOADED'])
})
