/** The service with fewer descriptors than its clients open connections. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { RawConnection } from '../support/http/http.ts'
import { get } from '../support/service/limited-service.ts'
import { startTestService } from '../support/service/test-service.ts'

const descriptors = 256

test.each([
  ['without tokens', {}, 200],
  ['with tokens', { SECRET_BUS_AUTH_TOKEN: 'a-token-of-some-length' }, 401],
])('the service survives more idle connections than it has descriptors, %s', async (_, env, status) => {
  const service = startTestService(['--embedded'], env, undefined, descriptors)
  const port = Number(new URL(await service.address()).port)
  const client = await RawConnection.open(port)
  const ask = async (path: string) => {
    client.send(...get(path))
    return (await client.reply()).status
  }
  await expect.poll(() => ask('/ready')).toBe(200)

  const idle = Array.from({ length: descriptors + 100 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  onTestFinished(() => {
    for (const socket of idle) socket.destroy()
  })
  await Promise.all(idle.map((socket) => once(socket, 'connect')))

  // Until the surplus has been closed: more connections than that do not fit.
  await expect.poll(() => idle.filter((socket) => socket.destroyed).length).toBeGreaterThan(descriptors / 2)
  expect(await ask('/health')).toBe(200)
  expect(await ask('/secret')).toBe(status)
  expect(await ask('/metrics')).toBe(status)
  service.child.kill('SIGHUP') // reads DynamoDB, on new connections if need be
  await service.line(/Bus graceful/)
  expect(await ask('/ready')).toBe(200)

  for (const socket of idle) socket.destroy()
  await expect.poll(() => statusOnNewConnection(port)).toBe(200)
  expect(service.stdout.join('\n')).not.toMatch(/EMFILE|"level":"(error|fatal)"/)
  expect(service.stdout.join('\n')).toMatch(/"openConnections":128\b/)
  expect(service.stdout.join('\n')).toContain('At most 128 connections can be open')
  service.child.kill('SIGTERM')
  expect(await service.exited).toBe(0)
})

/** The status of `/health` on a new connection; undefined if the service closes it. */
async function statusOnNewConnection(port: number): Promise<number | undefined> {
  const connection = await RawConnection.open(port)
  connection.send(...get('/health', 'connection: close'))
  return connection.reply().then(
    ({ status }) => status,
    () => undefined,
  )
}
