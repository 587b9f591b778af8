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

const access = {
  client: 'billing',
  address: '127.0.0.1',
  token: 'f4eae5f1',
  codeName: 'thedoctor',
  status: 200,
  cache: 'secret-bus; hit',
  reason: undefined,
}

/** The request ids of the lines. */
const idsIn = (lines: string) =>
  lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).reqId)

/** The open files of this process in the test's folder, from Linux's /proc. */
const openFiles = () =>
  readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`)
      } catch {
        return '' // the descriptor of the directory listing itself is closed by now
      }
    })
    .filter((path) => path.startsWith(folder))

describe.each([
  ['audit-to-file.mjs', javascript],
  ['audit-to-file.ts', typescript],
])('%s', (_file, auditToFile) => {
  const newAudit = async () => auditToFile(await pluginContext())

  /** Starts a bus with only the plugin, and returns a function that publishes accesses. */
  async function start() {
    const recorded = recordedBus({ audit: await newAudit() })
    await recorded.bus.start()
    const publishAccess = (reqId: string) => recorded.bus.publish(channels.secretAccessed, { ...access, reqId })
    return { ...recorded, publishAccess }
  }

  test('writes a line for each access, served or refused, without the secret', async () => {
    const secrets = fakeProvider(channels.fetchSecret, ({ codeName }) => {
      return { codeName, value: new Sensitive('bad wolf') }
    })
    await using service = await startService({ secrets, audit: await newAudit() }, { without: 'dynamodb' })

    await fetch(`${service.origin}/secret`, { headers: { 'x-request-id': 'rose-1' } })
    await fetch(`${service.origin}/secret/rose`, { headers: { 'x-request-id': 'rose-2' } })
    await service.stop()

    const lines = (await readFile(auditFile, 'utf8')).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        ...access,
        time: expect.any(String),
        client: undefined,
        token: undefined,
        cache: expect.any(String),
        reqId: 'rose-1',
      },
      expect.objectContaining({ reqId: 'rose-2', codeName: 'rose', status: 404 }),
    ])
    expect(lines.join()).not.toContain('bad wolf')
  })

  test('appends to an existing file', async () => {
    for (const reqId of ['first', 'second']) {
      await using audit = await start()
      await audit.publishAccess(reqId)
    }

    expect(idsIn(await readFile(auditFile, 'utf8'))).toEqual(['first', 'second'])
  })

  test('continues in a new file after a rename and a reload', async () => {
    await using audit = await start()
    await audit.publishAccess('before')
    await rename(auditFile, `${auditFile}.1`)
    await audit.publishAccess('between')

    expect(await audit.bus.graceful()).toEqual([{ reopened: auditFile }])
    expect(openFiles()).toEqual([auditFile])
    await audit.publishAccess('after')
    await audit.stop()

    expect(openFiles()).toEqual([])
    expect(idsIn(await readFile(`${auditFile}.1`, 'utf8'))).toEqual(['before', 'between'])
    expect(idsIn(await readFile(auditFile, 'utf8'))).toEqual(['after'])
  })

  test('keeps the current file if a reload fails to open another', async () => {
    await using audit = await start()
    await rename(folder, `${folder}.1`)

    await expect(audit.bus.graceful()).rejects.toThrow('Failed to open AUDIT_FILE: ENOENT')
    await rename(`${folder}.1`, folder)
    await audit.publishAccess('still here')
    await audit.stop()

    expect(idsIn(await readFile(auditFile, 'utf8'))).toEqual(['still here'])
  })

  test('does not delay requests while writes block, and has written all lines when stopped', async () => {
    execFileSync('mkfifo', [auditFile])
    const reader = new Socket({ fd: openSync(auditFile, constants.O_RDONLY | constants.O_NONBLOCK) }).pause()
    await using audit = await start()
    const ids = Array.from({ length: 2_000 }, (_, at) => `request-${at}`) // exceeds the capacity of a pipe

    for (const id of ids) await audit.publishAccess(id)
    const [written] = await Promise.all([text(reader), audit.stop()])

    expect(idsIn(written)).toEqual(ids)
  })

  test('does not start if the file cannot be opened', async () => {
    vi.stubEnv('AUDIT_FILE', folder)

    await expect(start()).rejects.toThrow('Failed to open AUDIT_FILE: EISDIR')
  })

  test('logs the request id of a line that cannot be written', async () => {
    vi.stubEnv('AUDIT_FILE', '/dev/full')
    await using audit = await start()

    await audit.publishAccess('lost')
    expect(await audit.stop()).toBe(0)

    expect(audit.records.filter(({ level }) => level === 'error')).toMatchObject([
      { message: expect.stringContaining('Failed to write to AUDIT_FILE: ENOSPC'), fields: { reqId: 'lost' } },
    ])
  })

  test('requires the variable', async () => {
    vi.stubEnv('AUDIT_FILE', '')

    await expect(newAudit()).rejects.toThrow('AUDIT_FILE must be set')
  })
})
