import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { getIdentity } from '../../src/channels.ts'
import { type IdentityOptions, identity } from '../../src/sources/identity.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'
import {
  type FaultyServer,
  neverRespond,
  resetConnection,
  respondWith,
  respondWithError,
  stallResponse,
  startFaultyServer,
} from '../support/http/faulty-server.ts'

const own = { container: 'https://example.com/image', project: 'https://example.com/project' }
const service = { name: 'orders', version: '1.2.3', container: own.container, homepage: own.project }

async function ask(options: Partial<IdentityOptions>) {
  const { bus, records, messages } = recordedBus({ identity: identity(options) }, { service })
  return { answer: await bus.request(getIdentity), records, warnings: messages('warn') }
}

test('uses the links of the package by default', async () => {
  const { answer, warnings } = await ask({})

  expect(answer).toEqual(own)
  expect(warnings).toEqual([])
})

test('prefers the project option', async () => {
  expect((await ask({ project: 'given' })).answer).toEqual({ container: own.container, project: 'given' })
})

test('prefers the container option and does not query ECS', async () => {
  const { endpoint, requests } = await startFaultyServer(respondWith('{"Image":"from-ecs"}'))

  const { answer } = await ask({ container: 'given', ecsMetadataUri: endpoint })

  expect(answer).toEqual({ container: 'given', project: own.project })
  expect(requests).toHaveLength(0)
})

test('uses the image from the ECS metadata', async () => {
  const { endpoint, requests } = await startFaultyServer(respondWith('{"Image":"registry/team/image:1.2","Labels":{}}'))

  const { answer, warnings } = await ask({ ecsMetadataUri: `${endpoint}/v4/0123-4567` })

  expect(answer).toEqual({ container: 'registry/team/image:1.2', project: own.project })
  expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /v4/0123-4567'])
  expect(warnings).toEqual([])
})

test.each<[string, FaultyServer['answer']]>([
  ['an error', respondWithError('InternalServerError', 500, 'classified response')],
  ['an error status', respondWith('{"Image":"classified response"}', 404)],
  ['invalid JSON', respondWith('classified response')],
  ['JSON that is not an object', respondWith('"classified response"')],
  ['null', respondWith('null')],
  ['no image', respondWith('{"Labels":"classified response"}')],
  ['an image that is not a string', respondWith('{"Image":["classified response"]}')],
  ['an empty image', respondWith('{"Image":"","Labels":"classified response"}')],
  ['a connection reset', resetConnection],
  ['no response', neverRespond],
  ['a partial response', stallResponse],
])('falls back to the image of the package on %s, and warns without quoting the response', async (_, answer) => {
  const { endpoint } = await startFaultyServer(answer)

  const result = await ask({ ecsMetadataUri: endpoint })

  expect(result.answer).toEqual(own)
  expect(result.warnings).toEqual([expect.stringMatching(/^Failed to read the image from the ECS metadata: /)])
  expect(inspect(result.records, { depth: 10, showHidden: true })).not.toContain('classified')
})

test('falls back to the image of the package with a warning if ECS refuses the connection', async () => {
  const server = await startFaultyServer(neverRespond)
  await server.close()

  const { answer, warnings } = await ask({ ecsMetadataUri: server.endpoint })

  expect(answer.container).toBe(own.container)
  expect(warnings).toHaveLength(1)
})
