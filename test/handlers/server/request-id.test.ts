import { describe, expect, test } from 'vitest'
import type { Subscriber } from '../../../src/bus/process/process-bus.ts'
import { getSecret } from '../../../src/channels.ts'
import { auditTrail } from '../../../src/handlers/audit-trail.ts'
import { secretRoutes } from '../../../src/handlers/routes/secret.ts'
import { requestIds } from '../../../src/handlers/server/request-id.ts'
import { SecretNotFound } from '../../../src/secret.ts'
import { fetchReply, RawConnection, startHttp } from '../../support/http/http.ts'

const generated = /^[\da-f]{16}-[\da-f]+$/

describe('requestIds', () => {
  const requestId = requestIds()

  test.each([
    'a',
    'Root=1-67891233-abcdef012345678912345678',
    '0123456789~+/=@_.-',
    '7F000001:8296_7F00001E:1F90_4F7B0A69_0003:790E',
    'x'.repeat(128),
  ])('keeps %j', (given) => {
    expect(requestId({ headers: { 'x-request-id': given } })).toBe(given)
  })

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
    expect(requestId({ headers: { 'x-request-id': given } })).toMatch(generated)
  })

  test('uses a different prefix in each generator', () => {
    const other = requestIds()

    expect(other({ headers: {} }).split('-')[0]).not.toBe(requestId({ headers: {} }).split('-')[0])
  })

  test('generates a new id if none is given', () => {
    const first = requestId({ headers: {} })

    expect(first).toMatch(generated)
    expect(requestId({ headers: {} })).not.toBe(first)
  })
})

describe('the request id', () => {
  async function service() {
    const ids: (string | undefined)[] = []
    const source: Subscriber = (bus) =>
      bus.provide(getSecret, ({ codeName }, { id }) => {
        ids.push(id)
        throw new SecretNotFound(codeName)
      })
    return {
      ...(await startHttp({ source, audit: auditTrail(), routes: secretRoutes({ codeNames: ['thedoctor'] }) })),
      ids,
    }
  }

  test('is passed through the bus, logged, and returned in the response', async () => {
    const { origin, ids, records } = await service()

    const { headers } = await fetchReply(`${origin}/secret`, { headers: { 'x-request-id': 'from-the-client' } })

    expect(headers['x-request-id']).toBe('from-the-client')
    expect(ids).toEqual(['from-the-client'])
    await expect
      .poll(() => records.find(({ message }) => message === 'Secret accessed')?.fields)
      .toMatchObject({ reqId: 'from-the-client' })
  })

  test('is generated if the client sends none, and is the same in all these places', async () => {
    const { origin, ids, records } = await service()

    const { headers } = await fetchReply(`${origin}/secret`)

    expect(headers['x-request-id']).toMatch(generated)
    expect(ids).toEqual([headers['x-request-id']])
    await expect
      .poll(() => records.find(({ message }) => message === 'Secret accessed')?.fields)
      .toMatchObject({ reqId: headers['x-request-id'] })
  })

  test.each([
    ['has a space', ['x-request-id: two words']],
    ['is too long', [`x-request-id: ${'x'.repeat(129)}`]],
    ['is sent twice', ['x-request-id: one', 'x-request-id: two']],
    ['is not ASCII', ['x-request-id: \u00fc']],
    ['is empty', ['x-request-id:']],
  ])('is generated if that of the client %s', async (_, lines) => {
    const { port, ids } = await service()
    const connection = await RawConnection.open(port)

    connection.send('GET /secret HTTP/1.1', 'host: x', ...lines)
    const { headers } = await connection.reply()

    expect(headers['x-request-id']).toMatch(generated)
    expect(ids).toEqual([headers['x-request-id']])
  })
})
