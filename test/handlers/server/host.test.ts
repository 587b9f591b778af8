import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { httpRoutes } from '../../../src/channels.ts'
import { isLoopbackHost } from '../../../src/handlers/server/host.ts'
import { parseProblem, RawConnection, startHttp } from '../../support/http/http.ts'

const route: Subscriber = (bus) => bus.subscribe(httpRoutes, (app) => void app.get('/route', async () => 'response'))

/** Sends requests with these Host headers on one connection, and resolves to the statuses of the responses. */
async function statusesOf(hosts: readonly string[], version = '1.1') {
  const { port } = await startHttp({ route })
  const statuses: number[] = []
  for (const host of hosts) {
    const connection = await RawConnection.open(port)
    connection.send(`GET /route HTTP/${version}`, `host: ${host}`)
    const reply = await connection.reply()
    if (reply.status !== 200) parseProblem(reply)
    statuses.push(reply.status)
  }
  return statuses
}

const valid = [
  'example.com',
  'EXAMPLE.com:5000',
  'example.com:',
  'example.com:0080',
  'example.com.',
  'under_score',
  'a',
  '127.0.0.1',
  '127.0.0.1:65535',
  '999.1.1.1',
  '[::1]',
  '[::1]:5000',
  '[2001:DB8::1]:',
  '[::ffff:192.0.2.1]:80',
  '[v1.a:b]',
  "~!$&'()*+,;=-._",
  'b%C3%BCcher.example:1',
  '',
]

const invalid = [
  'a b',
  'a\tb',
  'example.com/path',
  'example.com?x',
  'example.com#x',
  'user@example.com',
  'user:password@example.com:80',
  'http://example.com',
  'example.com:port',
  'example.com:-1',
  'example.com:65536',
  'example.com:80:80',
  ':80',
  'a\\b',
  'a<b>',
  'a"b',
  'a{b}',
  'a|b',
  'a^b',
  'a`b',
  '%',
  '%zz',
  'a%4',
  '\xfc.example',
  '::1',
  '[::1',
  '::1]',
  '[]',
  '[:::1]',
  '[1.2.3.4]',
  '[fe80::1%25eth0]',
  '[::1]x',
  '[::1]:x',
  '[v1.]',
  '[v.a]',
  '[example.com]',
  'a,b c',
]

describe('a Host header', () => {
  test('is accepted if it is valid', async () => {
    expect(await statusesOf(valid)).toEqual(valid.map(() => 200))
  })

  test('is rejected if it is invalid', async () => {
    expect(await statusesOf(invalid)).toEqual(invalid.map(() => 400))
  })

  test('may be absent in HTTP/1.0, but not invalid', async () => {
    expect(await statusesOf(['a b', 'example.com'], '1.0')).toEqual([400, 200])
  })
})

describe('a loopback host', () => {
  test.each([
    'localhost',
    'LOCALHOST:5000',
    'localhost.',
    'x.localhost',
    '127.0.0.1:80',
    '127.9.9.9',
    '[::1]:5000',
    '[::ffff:127.0.0.1]',
  ])('is %s', (host) => expect(isLoopbackHost(host)).toBe(true))

  test.each([
    'example.com',
    'localhost.example.com',
    'notlocalhost',
    '128.0.0.1',
    '127.0.0.1.example.com',
    '[::2]',
    '',
  ])('is not %j', (host) => expect(isLoopbackHost(host)).toBe(false))
})
