import { pluginContext, startHttp } from 'secret-bus/testing'
import { expect, test } from 'vitest'
import hello from './hello.mjs'

test('greets the name in the path', async () => {
  await using service = await startHttp({ hello: hello(await pluginContext()) })

  const response = await fetch(`${service.origin}/hello/rose`)

  expect(await response.json()).toEqual({ hello: 'Hello, rose!' })
  expect(service.activity).toContainEqual(expect.objectContaining({ channel: 'hello.get', by: 'hello' }))
})
