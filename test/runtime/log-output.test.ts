import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { LogOutput } from '../../src/runtime/log-output.ts'

const size = 1024 * 1024

/** A log that writes to a pipe, whose reader returns what it can read. */
async function piped() {
  const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const openReader = () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const reader = openReader()
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  onTestFinished(() => closeSync(writer))
  const before = process.listeners('exit')
  const output = new LogOutput('drop', writer)
  for (const listener of process.listeners('exit')) if (!before.includes(listener)) process.off('exit', listener)
  const drained = vi.fn()
  output.onDrained = drained
  const read = (fd = reader) => {
    const buffer = Buffer.alloc(size)
    try {
      return buffer.toString('utf8', 0, readSync(fd, buffer))
    } catch {
      return '' // nothing to read
    }
  }
  /** Reads while the log writes, until everything is written. */
  const readAll = () => {
    let text = ''
    while (!output.flush()) text += read()
    return text + read()
  }
  return { output, drained, reader, openReader, read, readAll }
}

/** A line of a kilobyte, with a number. */
const line = (kind: string, number: number) => `${`${kind} ${number}`.padEnd(1_023, '.')}\n`

describe('a log that is not read', () => {
  test('neither blocks nor loses lines, until 8 MiB are buffered', async () => {
    const { output, readAll, drained } = await piped()
    for (let number = 1; number <= 8_000; number += 1) output.write(line('other', number))

    const lines = readAll().split('\n')

    expect(lines.map((text) => Number.parseInt(text.slice(6), 10)).slice(0, -1)).toEqual(
      Array.from({ length: 8_000 }, (_, index) => index + 1),
    )
    expect(output.dropped).toEqual({ audit: 0, other: 0 })
    expect(drained).not.toHaveBeenCalled()
  })

  test('drops further lines, counts them, and reports them once it is read again', async () => {
    const { output, readAll, drained } = await piped()
    for (let number = 1; number <= 10_000; number += 1) output.write(line('other', number))
    const dropped = output.dropped.other
    expect(dropped).toBeGreaterThan(1_500)
    expect(output.dropped.audit).toBe(0)

    const written = readAll().split('\n').length - 1

    expect(written + dropped).toBe(10_000)
    expect(drained).toHaveBeenCalledExactlyOnceWith({ audit: 0, other: dropped })
    output.write('more\n')
    readAll()
    expect(drained).toHaveBeenCalledOnce()
  })

  test('drops audit lines last', async () => {
    const { output, readAll } = await piped()
    for (let number = 1; number <= 10_000; number += 1) output.write(line('other', number))
    for (let number = 1; number <= 7_000; number += 1) output.writeAudit(line('audit', number))
    expect(output.dropped.audit).toBe(0)

    const lines = readAll().split('\n')

    const audit = lines.filter((text) => text.startsWith('audit'))
    expect(audit.map((text) => Number.parseInt(text.slice(6), 10))).toEqual(
      Array.from({ length: 7_000 }, (_, n) => n + 1),
    )
    expect(lines.length - 1 + output.dropped.other).toBe(17_000)
  })

  test('drops and counts audit lines when no other lines are left', async () => {
    const { output, readAll } = await piped()
    output.write(line('other', 1))
    for (let number = 1; number <= 9_000; number += 1) output.writeAudit(line('audit', number))
    expect(output.dropped.audit).toBeGreaterThan(500)
    const written = readAll().split('\n').length - 1
    expect(written + output.dropped.audit + output.dropped.other).toBe(9_001)
  })
})

test('a log whose reader leaves does not count the lines that were written', async () => {
  const { output, reader, read } = await piped()
  for (let number = 1; number <= 1_000; number += 1) output.write(line('other', number))
  expect(output.flush()).toBe(false) // the pipe is full
  const text = Buffer.alloc(size / 32)
  const first = text.toString('utf8', 0, readSync(reader, text))
  expect(output.flush()).toBe(false) // a part of a chunk is written
  const written = `${first}${read()}`.split('\n').length - 1
  closeSync(reader)

  expect(output.flush()).toBe(true)

  expect(written + output.dropped.other).toBe(1_000)
})

test('a log without a reader drops its lines, and reports them to the next reader', async () => {
  const { output, reader, openReader, read, drained } = await piped()
  closeSync(reader)
  output.write('lost\n')
  expect(output.flush()).toBe(true)
  expect(output.dropped).toEqual({ audit: 0, other: 1 })

  const another = openReader()
  onTestFinished(() => closeSync(another))
  output.write('kept\n')
  expect(output.flush()).toBe(true)

  expect(read(another)).toBe('kept\n')
  expect(drained).toHaveBeenCalledExactlyOnceWith({ audit: 0, other: 1 })
})
