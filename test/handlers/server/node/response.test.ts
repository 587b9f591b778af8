import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { Subscriber } from '../../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../../src/channels.ts'
import { fetchReply, startHttp } from '../../../support/http/http.ts'

setFlagsFromString('--allow-natives-syntax')
setFlagsFromString('--expose-gc')
const isFast: (object: object) => boolean = runInNewContext('(object) => %HasFastProperties(object)')
const collectGarbage: () => void = runInNewContext('gc')

test('requests and responses keep fast properties if garbage is collected between the first ones', async () => {
  const slow: string[] = []
  const routes: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      app.get('/check', async (request, reply) => {
        const objects = { request, reply, 'raw request': request.raw, 'raw reply': reply.raw, socket: request.socket }
        for (const [name, object] of Object.entries(objects)) if (!isFast(object)) slow.push(name)
        return 'done'
      })
    })
  const { origin } = await startHttp({ routes })

  for (let count = 0; count < 20; count += 1) {
    expect(await fetchReply(`${origin}/check`, { headers: { connection: 'close' } })).toMatchObject({ status: 200 })
    collectGarbage()
  }

  expect(slow).toEqual([])
})
