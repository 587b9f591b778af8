import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordedBus } from 'secret-bus/testing'
import { getGreeting } from '../../src/channels.ts'
import { greetings } from '../../src/providers/greetings.ts'

test('greets with the configured words', async () => {
  await using recorded = recordedBus({ greetings: greetings({ salutation: 'Good morning' }) })
  await recorded.bus.start()

  assert.equal(await recorded.bus.request(getGreeting, { name: 'Rose' }), 'Good morning, Rose!')
})
