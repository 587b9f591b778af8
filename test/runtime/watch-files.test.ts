import { execFileSync } from 'node:child_process'
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { lifecycle } from '../../src/bus/process/lifecycle.ts'
import type { ProcessBus } from '../../src/bus/process/process-bus.ts'
import { UnusableFile } from '../../src/errors.ts'
import { readRegularFile } from '../../src/runtime/options/files.ts'
import { watchFiles } from '../../src/runtime/watch-files.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'
import { SteppedClock } from '../support/stepped-clock.ts'
import { temporaryFile } from '../support/temporary-file.ts'

// Replaced only where a test needs a read that never ends.
vi.mock('../../src/runtime/options/files.ts', { spy: true })

const every = 1_000
/** Pause before changed contents are read again. */
const quiet = 250

const join = (contents: readonly Buffer[]) => contents.join(' ')

/** A started bus that watches files with these texts. The first check is complete. */
async function watching(
  texts: readonly string[],
  parse: (contents: readonly Buffer[]) => string | Promise<string> = join,
  interval = every,
) {
  const paths = await Promise.all(texts.map(temporaryFile))
  const clock = new SteppedClock()
  const used: string[] = []
  const options = {
    files: paths.map((path) => ({ flag: '--file', path })),
    every: interval,
    content: 'settings',
    parse: vi.fn(parse),
    use: (value: string) => void used.push(value),
    clock,
  }
  const watch = (bus: ProcessBus) => {
    const load = watchFiles(bus, options)
    bus.subscribe(lifecycle.start, load)
    bus.subscribe(lifecycle.graceful, load)
  }
  const recorded = recordedBus({ settings: watch })
  onTestFinished(async () => void (await recorded.stop()))
  await recorded.bus.start()
  const [path = '', other = ''] = paths
  return { ...recorded, clock, used, path, other, parse: options.parse }
}

/** Like `join`, but rejects a text with `bad` and quotes it. */
function rejectBad(contents: readonly Buffer[]): string {
  const text = join(contents)
  if (text.includes('bad')) throw new UnusableFile(`--file must not contain ${text}`)
  return text
}

describe('watched files', () => {
  test('are parsed once as long as they do not change, and are read once per interval', async () => {
    const { clock, used, parse, messages } = await watching(['one'])
    vi.mocked(readRegularFile).mockClear()

    expect(await clock.pause()).toBe(every)
    for (const checks of [1, 2, 3]) {
      expect(await clock.next()).toBe(every)
      expect(vi.mocked(readRegularFile)).toHaveBeenCalledTimes(checks)
    }

    expect(used).toEqual(['one'])
    expect(parse).toHaveBeenCalledOnce()
    expect(messages('info')).not.toContain('Reloaded the settings')
  })

  test('are used when they have changed, with one line in the log', async () => {
    const { clock, used, path, messages } = await watching(['one'])
    await clock.pause()
    await writeFile(path, 'two')

    expect(await clock.next()).toBe(quiet)
    expect(await clock.next()).toBe(every)

    expect(used).toEqual(['one', 'two'])
    expect(await clock.next()).toBe(every)
    expect(messages('info').filter((message) => message.includes('settings'))).toEqual(['Reloaded the settings'])
    expect(messages('warn')).toEqual([])
  })

  test('are not used while they are being written', async () => {
    const { clock, used, path } = await watching(['one'])
    await clock.pause()

    for (const half of ['t', 'tw']) {
      await writeFile(path, half)
      expect(await clock.next()).toBe(quiet)
    }
    await writeFile(path, 'two')
    expect(await clock.next()).toBe(quiet)
    expect(used).toEqual(['one'])
    expect(await clock.next()).toBe(every)

    expect(used).toEqual(['one', 'two'])
  })

  test('are all read when one of them changes', async () => {
    const { clock, used, other } = await watching(['one', 'two'])
    await clock.pause()
    await writeFile(other, 'three')

    await clock.next()
    await clock.next()

    expect(used).toEqual(['one two', 'one three'])
  })

  test('are tried again at each interval while they are unusable, with one warning for each reason', async () => {
    const { clock, used, path, parse, messages } = await watching(['one'], rejectBad)
    await clock.pause()
    for (const text of ['bad', 'bad', 'bad 2']) {
      await writeFile(path, text)
      expect(await clock.next()).toBe(quiet)
      expect(await clock.next()).toBe(every)
    }
    expect(parse).toHaveBeenCalledTimes(4)
    expect(used).toEqual(['one'])

    await writeFile(path, 'two')
    await clock.next()
    await clock.next()

    expect(used).toEqual(['one', 'two'])
    expect(messages('warn')).toEqual([
      'Failed to reload the settings: --file must not contain bad',
      'Failed to reload the settings: --file must not contain bad 2',
    ])
  })

  test('are used if they become usable without a change', async () => {
    let usable = true
    const { clock, used, path } = await watching(['one'], (contents) => {
      if (!usable) throw new UnusableFile('--file must be usable')
      return join(contents)
    })
    usable = false
    await clock.pause()
    await writeFile(path, 'two')
    await clock.next()
    await clock.next()
    expect(used).toEqual(['one'])

    usable = true
    await clock.next()
    await clock.next()

    expect(used).toEqual(['one', 'two'])
  })

  test('may disappear and return unchanged', async () => {
    const { clock, used, path, messages } = await watching(['one'])
    await clock.pause()

    await rm(path)
    for (const _ of [1, 2]) expect(await clock.next()).toBe(every)
    expect(messages('warn')).toEqual([
      expect.stringMatching(`^Failed to reload the settings: Failed to read --file ${path}: ENOENT`),
    ])
    await writeFile(path, 'one')
    for (const _ of [1, 2]) expect(await clock.next()).toBe(every)

    expect(used).toEqual(['one'])
    expect(messages('info').filter((message) => message.includes('settings'))).toEqual([
      'Recovered: read the unchanged settings',
    ])
    await rm(path)
    await clock.next()
    expect(messages('warn')).toHaveLength(2)
  })

  test.each<[string, string, (path: string) => unknown]>([
    ['a named pipe without a writer', 'a regular file', (path) => execFileSync('mkfifo', [path])],
    ['a folder', 'a regular file', (path) => mkdir(path)],
    [
      'a large file',
      'at most 16777216 bytes, received 1000000000000',
      async (path) => {
        await writeFile(path, '')
        await truncate(path, 1_000_000_000_000)
      },
    ],
  ])('may be replaced by %s, which is not read', async (_, constraint, replace) => {
    const { bus, clock, used, path, messages } = await watching(['one'])
    await clock.pause()
    await rm(path)
    await replace(path)

    for (const _ of [1, 2]) expect(await clock.next()).toBe(every)

    expect(used).toEqual(['one'])
    expect(messages('warn')).toEqual([`Failed to reload the settings: --file ${path} must be ${constraint}`])
    expect(await bus.exit()).toBe(0)
  })

  test('do not delay the stop if a read never ends', async () => {
    const { bus, clock } = await watching(['one'])
    await clock.pause()
    const reading = Promise.withResolvers<void>()
    vi.mocked(readRegularFile).mockImplementationOnce(() => {
      reading.resolve()
      return new Promise(() => {})
    })
    void clock.next()
    await reading.promise

    expect(await bus.exit()).toBe(0)
  })

  test.each([
    ['with an interval of 0', ['one'], 0],
    ['if there are none', [], every],
  ])('are not checked %s', async (_, texts, interval) => {
    const { bus, clock, used } = await watching(texts, join, interval)

    expect(used).toEqual([texts.join()])
    expect(await bus.exit()).toBe(0)
    expect(clock.pauses).toBe(0)
  })
})

describe('a reload', () => {
  test('counts as the version in use', async () => {
    const { bus, clock, used, path, parse } = await watching(['one'])
    await clock.pause()
    await writeFile(path, 'two')

    await bus.graceful()

    expect(used).toEqual(['one', 'two'])
    expect(await clock.next()).toBe(every)
    expect(parse).toHaveBeenCalledTimes(2)
  })

  test('that fails is tried again without another line in the log', async () => {
    const { bus, clock, used, path, messages } = await watching(['one'], rejectBad)
    await clock.pause()
    await writeFile(path, 'bad')
    await expect(bus.graceful()).rejects.toThrow()
    await clock.next()
    expect(await clock.next()).toBe(every)

    await writeFile(path, 'two')
    await clock.next()
    await clock.next()

    expect(used).toEqual(['one', 'two'])
    expect(messages('warn')).toEqual([])
    expect(messages('error')).toHaveLength(1)
  })

  test('is not undone by a check that has read older contents', async () => {
    const parsing = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    const { bus, clock, used, path, messages } = await watching(['one'], async (contents) => {
      if (join(contents) === 'two') {
        parsing.resolve()
        await released.promise
      }
      return join(contents)
    })
    await clock.pause()
    await writeFile(path, 'two')
    await clock.next()
    const checked = clock.next()
    await parsing.promise
    await writeFile(path, 'three')
    await bus.graceful()

    released.resolve()
    expect(await checked).toBe(every)

    expect(used).toEqual(['one', 'three'])
    expect(messages('info')).not.toContain('Reloaded the settings')
    expect(await clock.next()).toBe(every)
  })
})
