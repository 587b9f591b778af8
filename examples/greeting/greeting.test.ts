import { pluginContext, startHttp } from 'secret-bus/testing'
import { describe, expect, test } from 'vitest'
import javascript from './greeting.mjs'
import typescript from './greeting.ts'

describe.each([
  ['greeting.mjs', javascript],
  ['greeting.ts', typescript],
])('%s', (_file, greeting) => {
  test('greets the name in the path', async () => {
    await using service = await startHttp({ greeting: greeting(await pluginContext()) })

    const response = await fetch(`${service.origin}/greeting/Rose%20Tyler`)

    expect(await response.json()).toEqual({ greeting: 'Hello, Rose Tyler!' })
  })

  test('makes the request on the bus with the id of the HTTP request', async () => {
    await using service = await startHttp({ greeting: greeting(await pluginContext()) })

    await fetch(`${service.origin}/greeting/Rose`, { headers: { 'x-request-id': 'bad-wolf' } })

    expect(service.activity).toContainEqual(
      expect.objectContaining({ channel: 'greeting.get', by: 'greeting', id: 'bad-wolf' }),
    )
  })
})
