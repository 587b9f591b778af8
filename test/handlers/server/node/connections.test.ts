import { expect, onTestFinished, test } from 'vitest'
import type { Subscriber } from '../../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../../src/channels.ts'
import { RawConnection, startHttp } from '../../../support/http/http.ts'
import { get, startLimitedService } from '../../../support/service/limited-service.ts'

/** Collects the process warnings of Node. */
function collectWarnings(): Error[] {
  const warnings: Error[] = []
  const record = (warning: Error) => warnings.push(warning)
  process.on('warning', record)
  onTestFinished(() => {
    process.off('warning', record)
  })
  return warnings
}

test('a response that is being sent when the process stops is completed', async () => {
  const service = await startLimitedService({}, { secret: 'x'.repeat(12_000_000) }) // more than the socket buffers hold
  let hasEnded = () => false
  service.server.on('request', (_, response) => {
    hasEnded = () => response.writableEnded
  })
  const connection = await RawConnection.open(service.port)
  connection.socket.pause()
  connection.send(...get('/secret'))
  await expect.poll(() => hasEnded()).toBe(true)

  const exited = service.bus.exit()
  await expect.poll(() => service.server.listening).toBe(false)
  connection.socket.resume()

  expect((await connection.reply()).body.length).toBeGreaterThan(12_000_000)
  expect(await exited).toBe(0)
})

test('a client that does not read its responses delays a stop at most by the unread timeout, without a leak', async () => {
  const warnings = collectWarnings()
  const service = await startLimitedService({ unreadTimeout: 300, checkInterval: 100 }, { secret: 'x'.repeat(400_000) })
  let arrived = 0
  let closed = 0
  service.server.on('request', (_, response) => {
    arrived += 1
    response.once('close', () => (closed += 1))
  })
  const { socket } = await RawConnection.open(service.port)
  socket.pause()
  socket.write(`${get('/secret/much', '').join('\r\n')}\r\n`.repeat(30)) // 12 MB, more than the socket buffers hold
  await expect.poll(() => arrived).toBe(30)

  expect(await service.bus.exit()).toBe(0)

  await expect.poll(() => closed).toBe(30)
  expect(warnings).toEqual([])
})

test('a connection that opens during a stop does not delay it', async () => {
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
