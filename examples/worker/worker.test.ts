import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ProcessBus } from '@secret-bus/bus'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Job, jobs } from './channels.ts'
import { dispatcher } from './dispatcher.ts'
import { fileQueue } from './file-queue.ts'
import { jsonLogger } from './logger.ts'
import { createWorker } from './worker.ts'

let folder: string
let lines: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'worker-'))
  lines = []
})

afterEach(() => rm(folder, { recursive: true }))

const logger = jsonLogger((line) => lines.push(line))
const logged = () => lines.map((line) => JSON.parse(line))

const enqueue = (name: string, job: unknown) =>
  writeFile(join(folder, `${name}.json`), typeof job === 'string' ? job : JSON.stringify(job))

/** The jobs in the queue. */
const queued = async () => (await readdir(folder)).filter((name) => name.endsWith('.json'))
const failed = () => readdir(join(folder, 'failed'))

/** Starts the worker, which exits when the test has finished. */
async function start(bus: ProcessBus = createWorker({ folder, every: 5, logger })) {
  onTestFinished(async () => void (await bus.exit()))
  await bus.start()
  return bus
}

describe('the worker', () => {
  test('performs the jobs of the queue in order, and those that are added later', async () => {
    const file = join(folder, 'report.txt')
    await writeFile(file, 'run')
    await enqueue('1', { kind: 'mail', payload: { to: 'rose@example.com', text: 'Hello' } })
    await enqueue('2', { kind: 'checksum', payload: { file } })
    await start()
    await expect.poll(queued).toEqual([])
    await enqueue('3', { kind: 'mail', payload: { to: 'river@example.com', text: 'Hello' } })

    await expect.poll(() => logged().flatMap(({ job = [] }) => job)).toEqual(['1.json', '2.json', '3.json'])
    expect(await readFile(join(folder, 'outbox/1.json.eml'), 'utf8')).toBe('To: rose@example.com\n\nHello\n')
    expect(await readFile(`${file}.sha256`, 'utf8')).toBe(
      'acba25512100f80b56fc3ccd14c65be55d94800cda77585c5f41a887e398f9be\n',
    )
    expect(await failed()).toEqual([])
  })

  test.each([
    ['is not JSON', '{', 'Failed to read 1.json: it must be an object with kind and payload'],
    ['is not an object', 'null', 'Failed to read 1.json: it must be an object with kind and payload'],
    ['has no payload', { kind: 'mail' }, 'Failed to read 1.json: it must be an object with kind and payload'],
    ['has an unknown kind', { kind: 'fax', payload: {} }, 'kind must be one of mail, checksum'],
    ['has an invalid payload', { kind: 'mail', payload: { to: 'rose' } }, 'to must be an address'],
    ['cannot be performed', { kind: 'checksum', payload: { file: '/missing' } }, 'ENOENT'],
  ])('sets a job aside that %s, and continues', async (_case, job, reason) => {
    await enqueue('1', job)
    await enqueue('2', { kind: 'mail', payload: { to: 'rose@example.com', text: 'Hello' } })
    await start()

    await expect.poll(queued).toEqual([])
    expect(await failed()).toEqual(['1.json'])
    expect(logged().filter(({ level }) => level === 'error')).toMatchObject([
      { message: expect.stringContaining(reason) },
    ])
    expect(await readdir(join(folder, 'outbox'))).toEqual(['2.json.eml'])
  })

  test('finishes the current job when it stops, and leaves the others in the queue', async () => {
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
    const perform = vi.fn(async (_job: Job) => finished)
    await enqueue('1', { kind: 'mail', payload: {} })
    await enqueue('2', { kind: 'mail', payload: {} })
    const bus = await start(
      new ProcessBus()
        .use('file-queue', fileQueue(folder))
        .use('mail', (bus) => bus.provide(jobs.mail, perform))
        .use('checksum', (bus) => bus.provide(jobs.checksum, async () => {}))
        .use('dispatcher', dispatcher({ every: 5 })),
    )
    await expect.poll(() => perform.mock.calls).toHaveLength(1)

    const exit = bus.exit()
    finish()

    expect(await exit).toBe(0)
    expect(await queued()).toEqual(['2.json'])
    expect(perform).toHaveBeenCalledTimes(1)
  })

  test('does not start if a kind has no provider', async () => {
    const bus = new ProcessBus().use('file-queue', fileQueue(folder)).use('dispatcher', dispatcher({ every: 5 }))

    await expect(bus.start()).rejects.toMatchObject({ code: 'BUS_MISSING_PROVIDERS' })
  })
})
