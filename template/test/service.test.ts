import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startService } from 'secret-bus/testing'
import { service } from '../src/service.ts'

test('serves greetings with the words of --salutation', async () => {
  await using started = await startService({}, { salutation: 'Welcome' }, service)

  const reply = await fetch(`${started.origin}/greetings/Rose`)

  assert.equal(reply.status, 200)
  assert.deepEqual(await reply.json(), { greeting: 'Welcome, Rose!' })
})

test('is healthy and ready', async () => {
  await using started = await startService({}, {}, service)

  for (const path of ['/health', '/ready']) assert.equal((await fetch(started.origin + path)).status, 200)
})
