import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { getIdentity } from '../../src/channels.ts'
import { type IdentityOptions, identity } from '../../src/sources/identity.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'
import {
  type FaultyServer,
  failing,
  resetting,
  saying,
  silent,
  stalling,
  startFaultyServer,
} from '../support/http/faulty-server.ts'

const own = { container: 'https://example.com/image', project: 'https://example.com/project' }

async function ask(options: Partial<IdentityOptions>) {
  const { bus, records, messages } = recordedBus({ identity: identity({ own, ...options }) })
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
  const { endpoint, requests } = await startFaultyServer(saying('{"Image":"from-ecs"}'))

  const { answer } = await ask({ container: 'given', ecsMetadataUri: endpoint })

  expect(answer).toEqual({ container: 'given', project: own.project })
  expect(requests).toHaveLength(0)
})

test('uses the image from the ECS metadata', async () => {
  const { endpoint, requests } = await startFaultyServer(saying('{"Image":"registry/team/image:1.2","Labels":{}}'))

  const { answer, warnings } = await ask({ ecsMetadataUri: `${endpoint}/v4/0123-4567` })

  expect(answer).toEqual({ container: 'registry/team/image:1.2', project: own.project })
  expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /v4/0123-4567'])
  expect(warnings).toEqual([])
})

test.each<[string, FaultyServer['answer']]>([
  ['an error', failing('InternalServerError', 500, 'classified response')],
  ['an error status', saying('{"Image":"classified response"}', 404)],
  ['invalid JSON', saying('classified response')],
  ['JSON that is not an object', saying('"classified response"')],
  ['null', saying('null')],
  ['no image', saying('{"Labels":"classified response"}')],
  ['an image that is not a string', saying('{"Image":["classified response"]}')],
  ['an empty image', saying('{"Image":"","Labels":"classified response"}')],
  ['a connection reset', resetting],
  ['no response', silent],
  ['a partial response', stalling],
])('falls back to the image of the package on %s, and warns without quoting the response', async (_, answer) => {
  const { endpoint } = await startFaultyServer(answer)

  const result = await ask({ ecsMetadataUri: endpoint })

  expect(result.answer).toEqual(own)
  expect(result.warnings).toEqual([expect.stringMatching(/^Failed to read the image from the ECS metadata: /)])
  expect(inspect(result.records, { depth: 10, showHidden: true })).not.toContain('classified')
})

test('falls back to the image of the package with a warning if ECS refuses the connection', async () => {
  const server = await startFaultyServer(silent)
  await server.close()

  const { answer, warnings } = await ask({ ecsMetadataUri: server.endpoint })

  expect(answer.container).toBe(own.container)
  expect(warnings).toHaveLength(1)
})
