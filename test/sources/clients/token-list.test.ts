import { hash, timingSafeEqual } from 'node:crypto'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { identifyClient } from '../../../src/channels.ts'
import { Sensitive } from '../../../src/secret.ts'
import { type ClientsOptions, clients } from '../../../src/sources/clients/clients.ts'
import { recordedBus } from '../../../src/testing/recorded-bus.ts'
import { startTestService } from '../../support/service/test-service.ts'

// Counted, not replaced.
vi.mock('node:crypto', { spy: true })

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

/** A token file that can be rewritten. */
async function tokenFile(content: string) {
  const file = join(await newFolder(), 'tokens')
  const write = (content: string) => writeFile(file, content)
  await write(content)
  return { file, write }
}

/** A bus with these tokens that has not started yet. */
function stopped(options: ClientsOptions) {
  const recorded = recordedBus({ clients: clients(options) })
  onTestFinished(async () => {
    await recorded.bus.exit()
  })
  const identify = (token: string) => recorded.bus.request(identifyClient, { token: new Sensitive(token) })
  const accepts = async (token: string) => (await identify(token)) !== undefined
  const logged = () => inspect(recorded.records, { depth: 10, showHidden: true })
  return { ...recorded, identify, accepts, logged }
}

async function started(options: ClientsOptions) {
  const service = stopped(options)
  await service.bus.start()
  return service
}

/** The error of a failing start, and everything that it exposes. */
async function failedStart(options: ClientsOptions) {
  const { bus, logged } = stopped(options)
  const error: Error = await bus.start().then(
    () => expect.unreachable('the bus started'),
    (error) => error,
  )
  return { error, exposed: `${inspect(error, { depth: 10, showHidden: true })}${logged()}` }
}

describe('a token file', () => {
  test('accepts each of its tokens and nothing else', async () => {
    const { file } = await tokenFile('first\nsecond\nthird\n')
    const { accepts } = await started({ authTokenFile: file })

    for (const token of ['first', 'second', 'third']) expect(await accepts(token), token).toBe(true)

    const others = ['', ' ', 'fourth', 'firs', 'firstt', 'First', ' first', 'first\n', 'first\nsecond', 'firstsecond']
    for (const token of others) expect(await accepts(token), JSON.stringify(token)).toBe(false)
  })

  test.each([
    ['no trailing newline', 'first\nsecond'],
    ['blank lines', '\n\nfirst\n \n\t\nsecond\n\n'],
    ['CRLF line endings', 'first\r\n\r\nsecond\r\n'],
    ['surrounding white space', '  first\t\n \tsecond  '],
    ['a byte order mark', '\uFEFFfirst\nsecond'],
  ])('may have %s', async (_, content) => {
    const { file } = await tokenFile(content)

    const { accepts } = await started({ authTokenFile: file })

    expect([await accepts('first'), await accepts('second'), await accepts('')]).toEqual([true, true, false])
  })

  test.each(['azAZ09-._~+/==', '0', `${'x'.repeat(10_000)}=`])('may contain %.20s', async (token) => {
    const { file } = await tokenFile(token)

    const { accepts } = await started({ authTokenFile: file })

    expect(await accepts(token)).toBe(true)
  })

  test('accepts nothing before the start', async () => {
    const { file } = await tokenFile('first')
    const { accepts } = stopped({ authTokenFile: file })

    expect(await accepts('first')).toBe(false)
  })

  test('compares a token in constant time with the one that it may be', async () => {
    const { file } = await tokenFile('first\nsecond\nthird')
    const { accepts } = await started({ authTokenFile: file })

    for (const [token, times] of [
      ['first', 1],
      ['third', 1],
      ['fourth', 0],
    ] as const) {
      vi.mocked(timingSafeEqual).mockClear()
      await accepts(token)
      expect(timingSafeEqual, token).toHaveBeenCalledTimes(times)
    }
  })

  test('makes each token a client that may do everything, named after its hash', async () => {
    const { file } = await tokenFile('first\nsecond')
    const { bus, identify } = await started({ authTokenFile: file })

    const client = await identify('second')

    expect(client).toMatchObject({ name: 'token-16367aac', token: '16367aac' })
    expect(client?.may).toEqual(new Set(['secrets', 'metrics', 'reload', 'docs', 'inspector']))
    expect(client?.mayRead('anything')).toBe(true)
    expect(await bus.request(identifyClient, {})).toBeUndefined()
  })
})

describe('an unusable token file', () => {
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
  ])('with the line %j fails the start with exit code 78 and names the line, not its text', async (line) => {
    const { file } = await tokenFile(`classified-1\r\n\r\n${line}`)

    const { error, exposed } = await failedStart({ authTokenFile: file })

    expect(error).toMatchObject({
      name: 'UnusableFile',
      exitCode: 78,
      message: `--auth-token-file ${file} must contain one bearer token per line, see line 3`,
    })
    expect(exposed).not.toContain('classi')
  })

  test.each(['', '\n', ' \r\n\t\r\n'])('without tokens (%j) fails the start', async (content) => {
    const { file } = await tokenFile(content)

    const { error } = await failedStart({ authTokenFile: file })

    expect(error).toMatchObject({
      exitCode: 78,
      message: `--auth-token-file ${file} must contain at least one bearer token`,
    })
  })

  test('that does not exist fails the start', async () => {
    const file = join(await newFolder(), 'missing')

    const { error } = await failedStart({ authTokenFile: file })

    expect(error).toMatchObject({ name: 'UnusableFile', exitCode: 78 })
    expect(error.message).toMatch(`Failed to read --auth-token-file ${file}: ENOENT`)
  })

  test.each([
    ['is a directory', 'EISDIR', (file: string) => mkdir(file)],
    ['is a link to itself', 'ELOOP', (file: string) => symlink(file, file)],
  ])('that %s fails the start', async (_, code, make) => {
    const file = join(await newFolder(), 'tokens')
    await make(file)

    const { error } = await failedStart({ authTokenFile: file })

    expect(error).toMatchObject({ name: 'UnusableFile', exitCode: 78 })
    expect(error.message).toMatch(`Failed to read --auth-token-file ${file}: ${code}`)
  })

  test('ends the process with exit code 78 and one log line before it listens', async () => {
    const file = join(await newFolder(), 'missing')

    const service = startTestService(['--embedded', '--auth-token-file', file])

    expect(await service.exited).toBe(78)
    const lines = service.stdout.filter((line) => /"level":"(warn|error|fatal)"/.test(line)).concat(service.stderr)
    expect(lines).toEqual([expect.stringContaining(`Failed to read --auth-token-file ${file}: ENOENT`)])
    expect(service.stdout.join()).not.toContain('Listening')
    expect(lines.join()).not.toMatch(/"stack"|\\n +at /)
  })
})

describe('tokens in the environment', () => {
  test('are all accepted', async () => {
    const { accepts } = await started({ authToken: new Sensitive('first\r\n\n second \n') })

    expect([await accepts('first'), await accepts('second'), await accepts('third')]).toEqual([true, true, false])
  })

  test.each([
    ['classified-1\n\nnot classified', 'must contain one bearer token per line, see line 3'],
    [' \n', 'must contain at least one bearer token'],
  ])('fail the start with a usage error that does not quote them if they are invalid (%j)', async (text, problem) => {
    const { error, exposed } = await failedStart({ authToken: new Sensitive(text) })

    expect(error).toMatchObject({ name: 'UsageError', exitCode: 64, message: `SECRET_BUS_AUTH_TOKEN ${problem}` })
    expect(exposed).not.toContain('classified')
  })

  test('stay the same after a reload', async () => {
    const { bus, accepts } = await started({ authToken: new Sensitive('first\nsecond') })

    expect(await bus.graceful()).toEqual([{ clients: 2, tokens: 2 }])

    expect(await accepts('second')).toBe(true)
  })
})

describe('a reload', () => {
  test('rotates tokens without rejecting either one', async () => {
    const { file, write } = await tokenFile('old')
    const { bus, accepts } = await started({ authTokenFile: file })

    await write('old\nnew')
    expect(await accepts('new')).toBe(false)
    expect(await bus.graceful()).toEqual([{ clients: 2, tokens: 2 }])
    expect([await accepts('old'), await accepts('new')]).toEqual([true, true])

    await write('new')
    expect(await bus.graceful()).toEqual([{ clients: 1, tokens: 1 }])
    expect([await accepts('old'), await accepts('new')]).toEqual([false, true])
  })

  test.each([
    ['is deleted', (file: string) => rm(file), 'Failed to read FILE: ENOENT'],
    ['is empty', (file: string) => writeFile(file, ''), 'FILE must contain at least one bearer token'],
    ['is invalid', (file: string) => writeFile(file, 'new\nnot classified'), 'FILE must contain one .*, see line 2'],
  ])('keeps the old tokens if the file %s, and logs an error that does not quote it', async (_, change, problem) => {
    const { file, write } = await tokenFile('old')
    const { bus, accepts, messages, logged } = await started({ authTokenFile: file })
    await change(file)
    const message = expect.stringMatching(problem.replace('FILE', `--auth-token-file ${file}`))

    await expect(bus.graceful()).rejects.toMatchObject({
      failures: [{ listener: 'clients', error: { name: 'UnusableFile', message } }],
    })

    expect([await accepts('old'), await accepts('new')]).toEqual([true, false])
    expect(messages('error')).toEqual([message])
    expect(logged()).not.toContain('classified')

    await write('new')
    await bus.graceful()
    expect([await accepts('old'), await accepts('new')]).toEqual([false, true])
  })
})

describe('a watched token file', () => {
  /** Starts with the token `old`, and checks the file often. */
  async function watched() {
    const { file, write } = await tokenFile('old')
    const service = await started({ authTokenFile: file, watchFiles: 20 })
    const { accepts } = service
    const accepted = async () => {
      const tokens = ['old', 'new']
      const results = await Promise.all(tokens.map(accepts))
      return tokens.filter((_, index) => results[index])
    }
    return { ...service, file, write, accepted }
  }

  test.each<[string, (file: string) => Promise<void>]>([
    ['is written in place', (file) => writeFile(file, 'new')],
    [
      'is replaced by a renamed file',
      async (file) => {
        await writeFile(`${file}.tmp`, 'new')
        await rename(`${file}.tmp`, file)
      },
    ],
  ])('is read again when it %s', async (_, change) => {
    const { file, accepted, messages, logged } = await watched()
    expect(await accepted()).toEqual(['old'])

    await change(file)

    await expect.poll(accepted).toEqual(['new'])
    expect(messages('info').filter((message) => message.includes('tokens'))).toEqual(['Reloaded the tokens'])
    expect(messages('warn')).toEqual([])
    expect(logged()).not.toMatch(/\b(old|new)\b/)
  })

  test('is read again when Kubernetes replaces the link to its folder', async () => {
    const folder = await newFolder()
    const publish = async (version: string, token: string) => {
      await mkdir(join(folder, version))
      await writeFile(join(folder, version, 'tokens'), token)
      await symlink(version, join(folder, '..data_tmp'))
      await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    }
    await publish('..1', 'old')
    await symlink('..data/tokens', join(folder, 'tokens'))
    const { accepts } = await started({ authTokenFile: join(folder, 'tokens'), watchFiles: 20 })

    await publish('..2', 'new')
    await rm(join(folder, '..1'), { recursive: true })

    await expect.poll(() => accepts('new')).toBe(true)
    expect(await accepts('old')).toBe(false)
  })

  test.each<[string, string, (file: string) => Promise<void>]>([
    ['is emptied', 'must contain at least one', (file) => writeFile(file, '')],
    ['is invalid', 'must contain one bearer token per line', (file) => writeFile(file, 'not classified')],
    ['is deleted', 'ENOENT', (file) => rm(file)],
    [
      'becomes a folder',
      'must be a regular file',
      async (file) => {
        await rm(file)
        await mkdir(file)
      },
    ],
  ])('that %s keeps the old tokens, with a warning, until it is usable', async (_, problem, change) => {
    const { file, write, accepted, accepts, messages, logged } = await watched()
    await change(file)
    await expect.poll(() => messages('warn')).toContainEqual(expect.stringContaining(problem))
    expect(await accepted()).toEqual(['old'])

    await rm(file, { recursive: true, force: true })
    await write('new')

    await expect.poll(accepted).toEqual(['new'])
    expect(await accepts('old')).toBe(false)
    for (const message of messages('warn')) expect(message).toMatch(/^Failed to reload the tokens: /)
    expect(logged()).not.toContain('classified')
  })

  test('that stays empty is read again without another warning', async () => {
    const { write, accepted, messages } = await watched()
    await write('')
    await expect.poll(() => messages('warn')).toHaveLength(1)

    vi.mocked(hash).mockClear()
    await expect.poll(() => vi.mocked(hash).mock.calls.length).toBeGreaterThan(10)

    expect(messages('warn')).toHaveLength(1)
    expect(await accepted()).toEqual(['old'])
  })

  test('is not read after the stop, and is read at the next start', async () => {
    const { bus, write, accepted, messages } = await watched()
    await bus.stop()
    await write('new')
    await bus.start()

    expect(await accepted()).toEqual(['new'])
    expect(messages('info')).not.toContain('Reloaded the tokens')
  })

  test.each<[string, ClientsOptions, boolean]>([
    ['is', { authTokenFile: 'file', watchFiles: 1 }, true],
    ['is not', { authTokenFile: 'file', watchFiles: 0 }, false],
    ['is not', { authTokenFile: 'file' }, false],
    ['is not', { authToken: new Sensitive('token'), watchFiles: 1 }, false],
  ])('%s checked with %j', (_, options, watches) => {
    const { bus } = stopped(options)

    const handlers = bus.topology().find(({ channel }) => channel === 'lifecycle.state')?.handlers ?? []

    expect(handlers.some(({ name }) => name === 'clients')).toBe(watches)
  })
})

test('the bus does not expose tokens', async () => {
  const { bus, accepts, logged } = await started({ authToken: new Sensitive('classified-1\nclassified-2') })
  const activities: unknown[] = []
  bus.tap((activity) => activities.push(activity))

  await accepts('classified-1')
  await accepts('classified-3')
  await bus.graceful()

  expect(activities).toHaveLength(3)
  expect(inspect([activities, bus], { depth: 20, showHidden: true }) + logged()).not.toContain('classified')
})
