import { expect, test } from 'vitest'
import { collectMetrics, secretAccessed } from '../../../src/channels.ts'
import { accessMetrics } from '../../../src/handlers/metrics/access-metrics.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'

const access = { reqId: 'x', address: undefined, token: undefined, cache: undefined, reason: undefined }

test('accesses are counted by client, code name and status, and all series are bounded', async () => {
  await using recorded = recordedBus({ 'access-metrics': accessMetrics({ codeNames: ['thedoctor'] }) })
  const { bus } = recorded
  const publish = (client: string | undefined, codeName: string, status: number) =>
    bus.publish(secretAccessed, { ...access, client, codeName, status })

  for (let index = 0; index < 1_002; index += 1) await publish(`client-${index}`, 'thedoctor', 200)
  await publish('client-0', 'thedoctor', 200)
  await publish('client-0', 'invented-1', 404)
  await publish('client-0', 'invented-2', 404)
  await publish(undefined, 'thedoctor', 401)

  const [[metric] = []] = await bus.publish(collectMetrics)
  const values = Object.fromEntries(
    (metric?.type === 'counter' ? metric.values : []).map(({ labels = {}, value }) => [
      `${labels['client']} ${labels['code_name']} ${labels['status']}`,
      value,
    ]),
  )
  expect(Object.keys(values)).toHaveLength(1_003)
  expect(values).toMatchObject({
    'client-0 thedoctor 200': 2,
    'client-999 thedoctor 200': 1,
    'other thedoctor 200': 2,
    'client-0 other 404': 2,
    ' thedoctor 401': 1,
  })
})
