import { expect, test } from 'vitest'
import type { Subscriber } from '../../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../../src/channels.ts'
import { RawConnection, startHttp } from '../../../support/http/http.ts'

/** Starts a service with a route that never answers, and pipelines three requests on one connection. */
async function withPipeline() {
  const events: string[] = []
  const routes: Subscriber = (bus) =>
    bus.subscribe(httpRoutes, (app) => {
      app.get<{ Params: { name: string } }>('/:name', {
        onRequestAbort: async () => void events.push('aborted'),
        handler: ({ params: { name } }, { raw }) => {
          events.push(name)
          raw.on('close', () => void events.push(`closed ${name}`))
          return new Promise(() => {})
        },
      })
    })
  const { port } = await startHttp({ routes })
  const { socket } = await RawConnection.open(port)
  socket.write(['a', 'b', 'c'].map((name) => `GET /${name} HTTP/1.1\r\nhost: x\r\n\r\n`).join(''))
  await expect.poll(() => events).toEqual(['a', 'b', 'c'])
  return { socket, events }
}

test('every pipelined request ends once when the client disconnects', async () => {
  const { socket, events } = await withPipeline()
  events.length = 0

  socket.destroy()

  const ended = ['closed a', 'closed b', 'closed c']
  await expect.poll(() => events.filter((event) => event !== 'aborted')).toEqual(ended)
  await expect.poll(() => events.filter((event) => event === 'aborted')).toHaveLength(3)
  expect(events).toHaveLength(6)
})
