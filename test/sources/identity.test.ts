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

test('without anything else, the container is the image that the package is published as', async () => {
  const { answer, warnings } = await ask({})

  expect(answer).toEqual(own)
  expect(warnings).toEqual([])
})

test('the project of the options is taken', async () => {
  expect((await ask({ project: 'given' })).answer).toEqual({ container: own.container, project: 'given' })
})

test('the container of the options is taken, and ECS is not asked', async () => {
  const { endpoint, requests } = await startFaultyServer(saying('{"Image":"from-ecs"}'))

  const { answer } = await ask({ container: 'given', ecsMetadataUri: endpoint })

  expect(answer).toEqual({ container: 'given', project: own.project })
  expect(requests).toHaveLength(0)
})

test('in ECS the container is the image that its metadata name', async () => {
  const { endpoint, requests } = await startFaultyServer(saying('{"Image":"registry/team/image:1.2","Labels":{}}'))

  const { answer, warnings } = await ask({ ecsMetadataUri: `${endpoint}/v4/0123-4567` })

  expect(answer).toEqual({ container: 'registry/team/image:1.2', project: own.project })
  expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /v4/0123-4567'])
  expect(warnings).toEqual([])
})

test.each<[string, FaultyServer['answer']]>([
  ['an error', failing('InternalServerError', 500, 'classified reply')],
  ['a status that is no success', saying('{"Image":"classified reply"}', 404)],
  ['no JSON', saying('classified reply')],
  ['JSON that is no object', saying('"classified reply"')],
  ['null', saying('null')],
  ['no image', saying('{"Labels":"classified reply"}')],
  ['an image that is no string', saying('{"Image":["classified reply"]}')],
  ['an empty image', saying('{"Image":"","Labels":"classified reply"}')],
  ['nothing, and closes', resetting],
  ['nothing at all', silent],
  ['half a reply', stalling],
])('when ECS answers with %s, the own image is taken, with a warning that does not quote', async (_, answer) => {
  const { endpoint } = await startFaultyServer(answer)

  const told = await ask({ ecsMetadataUri: endpoint })

  expect(told.answer).toEqual(own)
  expect(told.warnings).toEqual([expect.stringContaining('ECS')])
  expect(inspect(told.records, { depth: 10, showHidden: true })).not.toContain('classified')
})

test('when nobody listens where ECS should be, the own image is taken, with a warning', async () => {
  const server = await startFaultyServer(silent)
  await server.close()

  const { answer, warnings } = await ask({ ecsMetadataUri: server.endpoint })

  expect(answer.container).toBe(own.container)
  expect(warnings).toHaveLength(1)
})
