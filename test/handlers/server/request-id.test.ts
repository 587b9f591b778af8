import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { getSecret } from '../../../src/channels.ts'
import { auditTrail } from '../../../src/handlers/audit-trail.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { requestIds } from '../../../src/handlers/server/request-id.ts'
import { SecretNotFound } from '../../../src/secret.ts'
import { ask, RawConnection, startHttp } from '../../support/http/http.ts'

const made = /^[\da-f]{16}-[\da-f]+$/

describe('requestIds', () => {
  const requestId = requestIds()

  test.each(['a', 'Root=1-67891233-abcdef012345678912345678', '0123456789~+/=@_.-', 'x'.repeat(128)])(
    'keeps %j',
    (given) => {
      expect(requestId({ headers: { 'x-request-id': given } })).toBe(given)
    },
  )

  test.each([
    '',
    ' ',
    'two words',
    'a\tb',
    'a\nb',
    'a\u0000b',
    'a"b',
    'a,b',
    'a;b',
    '<b>',
    'ünïcödé',
    'x'.repeat(129),
    'valid\n',
  ])('replaces %j', (given) => {
    expect(requestId({ headers: { 'x-request-id': given } })).toMatch(made)
  })

  test('makes others than another process does', () => {
    const other = requestIds()

    expect(other({ headers: {} }).split('-')[0]).not.toBe(requestId({ headers: {} }).split('-')[0])
  })

  test('makes one where none is given, another each time', () => {
    const first = requestId({ headers: {} })

    expect(first).toMatch(made)
    expect(requestId({ headers: {} })).not.toBe(first)
  })
})

describe('the id of a request', () => {
  async function service() {
    const asked: (string | undefined)[] = []
    const source: Subscriber = (bus) =>
      bus.provide(getSecret, ({ codeName }, { id }) => {
        asked.push(id)
        throw new SecretNotFound(codeName)
      })
    return {
      ...(await startHttp({ source, audit: auditTrail(), routes: secretRoutes({ codeNames: ['thedoctor'] }) })),
      asked,
    }
  }

  test('goes with the request through the bus, into the log, and back in the reply', async () => {
    const { origin, asked, records } = await service()

    const { headers } = await ask(`${origin}/secret`, { headers: { 'x-request-id': 'from-the-client' } })

    expect(headers['x-request-id']).toBe('from-the-client')
    expect(asked).toEqual(['from-the-client'])
    await expect
      .poll(() => records.find(({ message }) => message === 'Secret accessed')?.fields)
      .toMatchObject({ reqId: 'from-the-client' })
  })

  test('is made by the service where the client gives none, the same in all these places', async () => {
    const { origin, asked, records } = await service()

    const { headers } = await ask(`${origin}/secret`)

    expect(headers['x-request-id']).toMatch(made)
    expect(asked).toEqual([headers['x-request-id']])
    await expect
      .poll(() => records.find(({ message }) => message === 'Secret accessed')?.fields)
      .toMatchObject({ reqId: headers['x-request-id'] })
  })

  test.each([
    ['has a space', ['x-request-id: two words']],
    ['is too long', [`x-request-id: ${'x'.repeat(129)}`]],
    ['is given twice', ['x-request-id: one', 'x-request-id: two']],
    ['is not ASCII', ['x-request-id: \u00fc']],
    ['is empty', ['x-request-id:']],
  ])('is made by the service where the one of the client %s', async (_, lines) => {
    const { port, asked } = await service()
    const connection = await RawConnection.open(port)

    connection.send('GET /secret HTTP/1.1', 'host: x', ...lines)
    const { headers } = await connection.reply()

    expect(headers['x-request-id']).toMatch(made)
    expect(asked).toEqual([headers['x-request-id']])
  })
})
