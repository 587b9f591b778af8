import { timingSafeEqual } from 'node:crypto'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { checkToken } from '../../src/channels.ts'
import { Sensitive } from '../../src/secret.ts'
import { type TokensOptions, tokens } from '../../src/sources/tokens.ts'
import { recordedBus } from '../../src/testing/recorded-bus.ts'
import { startedService } from '../support/service/started-service.ts'

// Counted, not replaced.
vi.mock('node:crypto', { spy: true })

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

/** A file of tokens, which can be written anew. */
async function tokenFile(content: string) {
  const file = join(await newFolder(), 'tokens')
  const write = (content: string) => writeFile(file, content)
  await write(content)
  return { file, write }
}

/** A bus on which these tokens are checked, not started yet. */
function holder(options: TokensOptions) {
  const recorded = recordedBus({ tokens: tokens(options) })
  onTestFinished(async () => {
    await recorded.bus.exit()
  })
  const accepts = (token: string) => recorded.bus.request(checkToken, { token: new Sensitive(token) })
  const logged = () => inspect(recorded.records, { depth: 10, showHidden: true })
  return { ...recorded, accepts, logged }
}

async function started(options: TokensOptions) {
  const held = holder(options)
  await held.bus.start()
  return held
}

/** What the start fails with. */
async function refusal(options: TokensOptions) {
  const { bus, logged } = holder(options)
  const error: Error = await bus.start().then(
    () => expect.unreachable('it has started'),
    (error) => error,
  )
  return { error, told: `${inspect(error, { depth: 10, showHidden: true })}${logged()}` }
}

describe('tokens of a file', () => {
  test('give access, each of them, and nothing else does', async () => {
    const { file } = await tokenFile('first\nsecond\nthird\n')
    const { accepts } = await started({ authTokenFile: file })

    for (const token of ['first', 'second', 'third']) expect(await accepts(token), token).toBe(true)

    const others = ['', ' ', 'fourth', 'firs', 'firstt', 'First', ' first', 'first\n', 'first\nsecond', 'firstsecond']
    for (const token of others) expect(await accepts(token), JSON.stringify(token)).toBe(false)
  })

  test.each([
    ['no end of the last line', 'first\nsecond'],
    ['blank lines', '\n\nfirst\n \n\t\nsecond\n\n'],
    ['lines that end as on Windows', 'first\r\n\r\nsecond\r\n'],
    ['spaces around', '  first\t\n \tsecond  '],
    ['a byte order mark', '\uFEFFfirst\nsecond'],
  ])('may have %s', async (_, content) => {
    const { file } = await tokenFile(content)

    const { accepts } = await started({ authTokenFile: file })

    expect([await accepts('first'), await accepts('second'), await accepts('')]).toEqual([true, true, false])
  })

  test.each(['azAZ09-._~+/==', '0', `${'x'.repeat(10_000)}=`])('may look like %.20s', async (token) => {
    const { file } = await tokenFile(token)

    const { accepts } = await started({ authTokenFile: file })

    expect(await accepts(token)).toBe(true)
  })

  test('give no access before the start', async () => {
    const { file } = await tokenFile('first')
    const { accepts } = holder({ authTokenFile: file })

    expect(await accepts('first')).toBe(false)
  })

  test('are all compared, whichever it is', async () => {
    const { file } = await tokenFile('first\nsecond\nthird')
    const { accepts } = await started({ authTokenFile: file })

    for (const token of ['first', 'third', 'fourth']) {
      vi.mocked(timingSafeEqual).mockClear()
      await accepts(token)
      expect(timingSafeEqual, token).toHaveBeenCalledTimes(3)
    }
  })
})

describe('a file of tokens that cannot be used', () => {
  test.each([
    'two classified',
    'classified,other',
    '"classified"',
    '# classified',
    '=classified',
    'classi=fied',
    'classified\u00fc',
    'classified\u0000',
    'Bearer classified',
    'c\u0000l\u0000a\u0000',
  ])('for the line %j names the line, never the text, and calls for exit code 78', async (line) => {
    const { file } = await tokenFile(`classified-1\r\n\r\n${line}`)

    const { error, told } = await refusal({ authTokenFile: file })

    expect(error).toMatchObject({
      name: 'UnusableFile',
      exitCode: 78,
      message: `--auth-token-file ${file} does not hold one bearer token a line: see line 3`,
    })
    expect(told).not.toContain('classi')
  })

  test.each(['', '\n', ' \r\n\t\r\n'])('for it is empty (%j) says so', async (content) => {
    const { file } = await tokenFile(content)

    const { error } = await refusal({ authTokenFile: file })

    expect(error).toMatchObject({ exitCode: 78, message: `--auth-token-file ${file} holds no bearer token` })
  })

  test('for it is missing says so', async () => {
    const file = join(await newFolder(), 'missing')

    const { error } = await refusal({ authTokenFile: file })

    expect(error).toMatchObject({ name: 'UnusableFile', exitCode: 78 })
    expect(error.message).toMatch(`--auth-token-file ${file} cannot be read: ENOENT`)
  })

  test.each([
    ['it is a folder', 'EISDIR', (file: string) => mkdir(file)],
    ['it is a link to itself', 'ELOOP', (file: string) => symlink(file, file)],
  ])('for %s says so', async (_, code, make) => {
    const file = join(await newFolder(), 'tokens')
    await make(file)

    const { error } = await refusal({ authTokenFile: file })

    expect(error).toMatchObject({ name: 'UnusableFile', exitCode: 78 })
    expect(error.message).toMatch(`--auth-token-file ${file} cannot be read: ${code}`)
  })

  test('ends a process with 78 and one clear line, before it listens', async () => {
    const file = join(await newFolder(), 'missing')

    const service = startedService(['--embedded', '--auth-token-file', file])

    expect(await service.exited).toBe(78)
    const lines = service.stdout.filter((line) => /"level":"(warn|error|fatal)"/.test(line)).concat(service.stderr)
    expect(lines).toEqual([expect.stringContaining(`--auth-token-file ${file} cannot be read: ENOENT`)])
    expect(service.stdout.join()).not.toContain('Listening')
    expect(lines.join()).not.toMatch(/"stack"|\\n +at /)
  })
})

describe('tokens of the environment', () => {
  test('give access, each of them', async () => {
    const { accepts } = await started({ authToken: new Sensitive('first\r\n\n second \n') })

    expect([await accepts('first'), await accepts('second'), await accepts('third')]).toEqual([true, true, false])
  })

  test.each([
    ['classified-1\n\nnot classified', 'does not hold one bearer token a line: see line 3'],
    [' \n', 'holds no bearer token'],
  ])('that are none (%j) are a mistake in use, whose text is not told', async (text, problem) => {
    const { error, told } = await refusal({ authToken: new Sensitive(text) })

    expect(error).toMatchObject({ name: 'UsageError', exitCode: 64, message: `SECRET_BUS_AUTH_TOKEN ${problem}` })
    expect(told).not.toContain('classified')
  })

  test('stay as they are in a reload', async () => {
    const { bus, accepts } = await started({ authToken: new Sensitive('first\nsecond') })

    expect(await bus.graceful()).toEqual([{ tokens: 2 }])

    expect(await accepts('second')).toBe(true)
  })
})

describe('a reload', () => {
  test('lets a new token be given out before the old one is withdrawn', async () => {
    const { file, write } = await tokenFile('old')
    const { bus, accepts } = await started({ authTokenFile: file })

    await write('old\nnew')
    expect(await accepts('new')).toBe(false)
    expect(await bus.graceful()).toEqual([{ tokens: 2 }])
    expect([await accepts('old'), await accepts('new')]).toEqual([true, true])

    await write('new')
    expect(await bus.graceful()).toEqual([{ tokens: 1 }])
    expect([await accepts('old'), await accepts('new')]).toEqual([false, true])
  })

  test.each([
    ['is gone', (file: string) => rm(file), 'cannot be read: ENOENT'],
    ['is empty', (file: string) => writeFile(file, ''), 'holds no bearer token'],
    ['is broken', (file: string) => writeFile(file, 'new\nnot classified'), 'does not hold one .*: see line 2'],
  ])('when the file %s keeps the old tokens, and says so without the text', async (_, change, problem) => {
    const { file, write } = await tokenFile('old')
    const { bus, accepts, messages, logged } = await started({ authTokenFile: file })
    await change(file)

    await expect(bus.graceful()).rejects.toMatchObject({
      failures: [{ listener: 'tokens', error: { name: 'UnusableFile', message: expect.stringMatching(problem) } }],
    })

    expect([await accepts('old'), await accepts('new')]).toEqual([true, false])
    expect(messages('error')).toEqual([expect.stringMatching(`--auth-token-file ${file} ${problem}`)])
    expect(logged()).not.toContain('classified')

    await write('new')
    await bus.graceful()
    expect([await accepts('old'), await accepts('new')]).toEqual([false, true])
  })
})

test('tokens are nowhere to be seen on the bus', async () => {
  const { bus, accepts, logged } = await started({ authToken: new Sensitive('classified-1\nclassified-2') })
  const activities: unknown[] = []
  bus.tap((activity) => activities.push(activity))

  await accepts('classified-1')
  await accepts('classified-3')
  await bus.graceful()

  expect(activities).toHaveLength(3)
  expect(inspect([activities, bus], { depth: 20, showHidden: true }) + logged()).not.toContain('classified')
})
