import { expect, onTestFinished, test } from 'vitest'
import type { Subscriber } from '../../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../../src/channels.ts'
import { RawConnection, startHttp } from '../../../support/http/http.ts'
import { get, startAttacked } from '../../../support/service/attacked-service.ts'

/** The warnings of Node from now on. */
function warnings(): Error[] {
  const warned: Error[] = []
  const note = (warning: Error) => warned.push(warning)
  process.on('warning', note)
  onTestFinished(() => {
    process.off('warning', note)
  })
  return warned
}

test('a reply that is on its way when the process stops is sent whole', async () => {
  const service = await startAttacked({}, { secret: 'x'.repeat(12_000_000) }) // more than the pipe holds
  let handedOver = () => false
  service.server.on('request', (_, response) => {
    handedOver = () => response.writableEnded
  })
  const connection = await RawConnection.open(service.port)
  connection.socket.pause()
  connection.send(...get('/secret'))
  await expect.poll(() => handedOver()).toBe(true)

  const exited = service.bus.exit()
  await expect.poll(() => service.server.listening).toBe(false)
  connection.socket.resume()

  expect((await connection.reply()).body.length).toBeGreaterThan(12_000_000)
  expect(await exited).toBe(0)
})

test('a client that reads none of its replies holds up a stop no longer than it may be silent, and leaves no trace', async () => {
  const warned = warnings()
  const service = await startAttacked({ silence: 300, checkInterval: 100 }, { secret: 'x'.repeat(400_000) })
  let closed = 0
  service.server.on('request', (_, response) => response.once('close', () => (closed += 1)))
  const { socket } = await RawConnection.open(service.port)
  socket.pause()
  socket.write(`${get('/secret/much', '').join('\r\n')}\r\n`.repeat(30)) // 12 MB, more than the pipe holds
  await expect.poll(() => service.asked).toHaveLength(30)

  expect(await service.bus.exit()).toBe(0)

  await expect.poll(() => closed).toBe(30)
  expect(warned).toEqual([])
})

test('a connection that comes when the process has begun to stop does not hold it up', async () => {
  let port = 0
  const late: Subscriber = (bus) => {
    bus.subscribe(httpRoutes, (app) => {
      app.addHook('preClose', async () => void (await RawConnection.open(port)))
    })
  }
  const service = await startHttp({ late }, { shutdownTimeout: 5_000 })
  port = service.port

  expect(await service.bus.exit()).toBe(0)
})
