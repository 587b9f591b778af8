import { execFileSync } from 'node:child_process'
import { constants, openSync, readdirSync, readlinkSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { channels, Sensitive } from 'secret-bus'
import { fakeProvider, pluginContext, recordedBus, startService } from 'secret-bus/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import javascript from './audit-to-file.mjs'
import typescript from './audit-to-file.ts'

let folder: string
let auditFile: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audit-to-file-'))
  auditFile = join(folder, 'audit.jsonl')
  vi.stubEnv('AUDIT_FILE', auditFile)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

const access = { client: '127.0.0.1', codeName: 'thedoctor', status: 200, cache: 'secret-bus; hit', reason: undefined }

/** The accesses that a file has a line for, by their request ids. */
const idsIn = (lines: string) =>
  lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).reqId)

/** The files of the test's folder that this process has open, as Linux tells. */
const openFiles = () =>
  readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`)
      } catch {
        return '' // it was the one of this very look
      }
    })
    .filter((path) => path.startsWith(folder))

describe.each([
  ['audit-to-file.mjs', javascript],
  ['audit-to-file.ts', typescript],
])('%s', (_file, auditToFile) => {
  const newAudit = async () => auditToFile(await pluginContext())

  /** The plug-in alone on a bus, and somebody who has accesses. */
  async function start() {
    const recorded = recordedBus({ audit: await newAudit() })
    await recorded.bus.start()
    const tell = (reqId: string) => recorded.bus.publish(channels.secretAccessed, { ...access, reqId })
    return { ...recorded, tell }
  }

  test('has a line for each access, answered or refused, and never the secret', async () => {
    const secrets = fakeProvider(channels.fetchSecret, ({ codeName }) => {
      return { codeName, value: new Sensitive('bad wolf'), fetchedAt: Date.now() }
    })
    await using service = await startService({ secrets, audit: await newAudit() }, { without: 'dynamodb' })

    await fetch(`${service.origin}/secret`, { headers: { 'x-request-id': 'rose-1' } })
    await fetch(`${service.origin}/secret/rose`, { headers: { 'x-request-id': 'rose-2' } })
    await service.stop()

    const lines = (await readFile(auditFile, 'utf8')).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { time: expect.any(String), ...access, cache: expect.any(String), reqId: 'rose-1' },
      expect.objectContaining({ reqId: 'rose-2', codeName: 'rose', status: 404 }),
    ])
    expect(lines.join()).not.toContain('bad wolf')
  })

  test('adds to what is there', async () => {
    for (const reqId of ['first', 'second']) {
      await using audit = await start()
      await audit.tell(reqId)
    }

    expect(idsIn(await readFile(auditFile, 'utf8'))).toEqual(['first', 'second'])
  })

  test('goes on in a new file when the old one is renamed and the process reloads', async () => {
    await using audit = await start()
    await audit.tell('before')
    await rename(auditFile, `${auditFile}.1`)
    await audit.tell('between')

    expect(await audit.bus.graceful()).toEqual([{ reopened: auditFile }])
    expect(openFiles()).toEqual([auditFile])
    await audit.tell('after')
    await audit.stop()

    expect(openFiles()).toEqual([])
    expect(idsIn(await readFile(`${auditFile}.1`, 'utf8'))).toEqual(['before', 'between'])
    expect(idsIn(await readFile(auditFile, 'utf8'))).toEqual(['after'])
  })

  test('keeps the file that it has when a reload cannot open another', async () => {
    await using audit = await start()
    await rename(folder, `${folder}.1`)

    await expect(audit.bus.graceful()).rejects.toThrow('AUDIT_FILE cannot be opened: ENOENT')
    await rename(`${folder}.1`, folder)
    await audit.tell('still here')
    await audit.stop()

    expect(idsIn(await readFile(auditFile, 'utf8'))).toEqual(['still here'])
  })

  test('holds nobody up while the file takes nothing, and has written everything when the process ends', async () => {
    execFileSync('mkfifo', [auditFile])
    const reader = new Socket({ fd: openSync(auditFile, constants.O_RDONLY | constants.O_NONBLOCK) }).pause()
    await using audit = await start()
    const ids = Array.from({ length: 2_000 }, (_, at) => `request-${at}`) // more than a pipe holds

    for (const id of ids) await audit.tell(id)
    const [written] = await Promise.all([text(reader), audit.stop()])

    expect(idsIn(written)).toEqual(ids)
  })

  test('does not start where the file cannot be opened', async () => {
    vi.stubEnv('AUDIT_FILE', folder)

    await expect(start()).rejects.toThrow('AUDIT_FILE cannot be opened: EISDIR')
  })

  test('says in the log which access a full disk has no line of', async () => {
    vi.stubEnv('AUDIT_FILE', '/dev/full')
    await using audit = await start()

    await audit.tell('lost')
    expect(await audit.stop()).toBe(0)

    expect(audit.records.filter(({ level }) => level === 'error')).toMatchObject([
      { message: expect.stringContaining('AUDIT_FILE lacks an access: ENOSPC'), fields: { reqId: 'lost' } },
    ])
  })

  test('does not begin without the variable', async () => {
    vi.stubEnv('AUDIT_FILE', '')

    await expect(newAudit()).rejects.toThrow('AUDIT_FILE is not set')
  })
})
