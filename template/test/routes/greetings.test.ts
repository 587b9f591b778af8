import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeProvider, startHttp } from 'secret-bus/testing'
import { getGreeting } from '../../src/channels.ts'
import { greetingRoutes } from '../../src/routes/greetings.ts'

test('requests the greeting for the name in the path', async () => {
  const provider = fakeProvider(getGreeting, 'Hi!')
  await using service = await startHttp({ provider, routes: greetingRoutes() })

  const reply = await fetch(`${service.origin}/greetings/Rose%20Tyler`)

  assert.deepEqual(await reply.json(), { greeting: 'Hi!' })
  assert.deepEqual(provider.queries, [{ name: 'Rose Tyler' }])
})

test('rejects a name that is too long', async () => {
  const provider = fakeProvider(getGreeting, 'Hi!')
  await using service = await startHttp({ provider, routes: greetingRoutes() })

  const reply = await fetch(`${service.origin}/greetings/${'x'.repeat(41)}`)

  assert.equal(reply.status, 400)
  assert.deepEqual(provider.queries, [])
})
