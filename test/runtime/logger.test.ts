import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createLogger } from '../../src/runtime/logger.ts'

const loggerUrl = new URL('../../src/runtime/logger.ts', import.meta.url).href

/** Runs the code in a process with `logger` and the parse error `unreadable`, and returns its stdout. */
async function written(code: string, options: { logLevel?: string; logFormat?: string; terminal?: boolean } = {}) {
  const script = scriptOf(code, options)
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    env: {},
  })
  expect(stderr).toBe('')
  return stdout
}

function scriptOf(code: string, options: { logLevel?: string; logFormat?: string; terminal?: boolean } = {}): string {
  const { logLevel = 'info', logFormat = 'json', terminal = false } = options
  return `
    import { createLogger } from ${JSON.stringify(loggerUrl)}
    const logger = await createLogger(${JSON.stringify({ logLevel, logFormat })}, ${terminal})
    const caught = (run) => { try { run() } catch (error) { return error } }
    const unreadable = caught(() => JSON.parse('sentinel-0123456789 {'))
    ${code}`
}

/** The only line that the code logs, parsed. */
async function line(code: string, options?: Parameters<typeof written>[1]) {
  const lines = (await written(code, options)).trimEnd().split('\n')
  expect(lines).toHaveLength(1)
  return JSON.parse(lines[0] ?? '')
}

describe('a line of the log', () => {
  test('has the level name, the time in ISO 8601, the fields and the message', async () => {
    const logged = await line(`logger.warn({ reqId: 'r-1', status: 200 }, 'Hello')`)

    expect(logged).toEqual({ level: 'warn', time: expect.any(String), reqId: 'r-1', status: 200, msg: 'Hello' })
    expect(new Date(logged.time).toISOString()).toBe(logged.time)
  })

  test.each([
    ['no members', {}],
    ['text with quotes, line breaks and code points', { 'a "key"': '"\\ \n \u0001 \ud800 é 😀', empty: '' }],
    ['numbers', { integer: 200, fraction: 1.5, none: Number.NaN, endless: Number.POSITIVE_INFINITY }],
    ['booleans and undefined', { yes: true, no: false, nothing: undefined }],
  ])('has the same members if all are primitive: %s', async (_what, fields) => {
    const lines: string[] = []
    const output = { write: (text: string) => void lines.push(text) }
    const logger = await createLogger({ logFormat: 'json' }, false, output)

    logger.info(fields, 'A "message" %s')
    logger.info({ ...fields, nested: {} }, 'A "message" %s')

    const [flat, nested] = lines.map((text) => JSON.parse(text))
    const { nested: _nested, ...expected } = nested
    expect(lines[0]).toMatch(/^[^\n]+\n$/)
    expect({ ...flat, time: '' }).toEqual({ ...expected, time: '' })
  })

  test.each([
    ['an error', new Error('broken'), 'Hello', { err: { message: 'broken' }, msg: 'Hello' }],
    ['no message', { status: 200 }, undefined, { status: 200 }],
    ['an integer without limit', { count: 10n }, 'Hello', { msg: 'Hello' }],
  ])('is valid for %s', async (_what, fields, message, expected) => {
    const lines: string[] = []
    const logger = await createLogger({ logFormat: 'json' }, false, { write: (text: string) => void lines.push(text) })

    logger.info(fields, message)

    expect(lines.map((text) => JSON.parse(text))).toMatchObject([expected])
  })

  test('is written for the configured level and above', async () => {
    const code = `for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) logger[level](level)`

    const lines = (await written(code, { logLevel: 'warn' })).trimEnd().split('\n')

    expect(lines.map((text) => JSON.parse(text).level)).toEqual(['warn', 'error', 'fatal'])
  })

  test('is not written if the level is silent', async () => {
    expect(await written(`logger.fatal('Hello')`, { logLevel: 'silent' })).toBe('')
  })

  test.each(['json', 'pretty'])('is written before the process exits, as %s', async (logFormat) => {
    const code = `for (let count = 1; count <= 1000; count += 1) logger.info('line ' + count)
      process.exit(0)`

    const lines = (await written(code, { logFormat })).trimEnd().split('\n')

    expect(lines).toHaveLength(1_000)
    expect(lines.at(-1)).toContain('line 1000')
  })
})

describe('buffered JSON lines', () => {
  /** Starts a process that runs the code with a logger and this stdout. */
  const start = (code: string, stdout: 'pipe' | number) => {
    const args = ['--input-type=module', '--eval', scriptOf(code)]
    const child = spawn(process.execPath, args, { stdio: ['pipe', stdout, 'inherit'], env: {} })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }

  test('are written in one chunk, while the process keeps running', async () => {
    const child = start(`for (const count of [1, 2, 3]) logger.info('line ' + count); process.stdin.resume()`, 'pipe')

    const [chunk] = await once(child.stdout ?? child, 'data')

    expect(String(chunk).trimEnd().split('\n')).toHaveLength(3)
    expect(child.exitCode).toBeNull()
  })

  test('do not fail the process if they cannot be written', async () => {
    const full = openSync('/dev/full', 'w')
    onTestFinished(() => closeSync(full))
    const code = `for (let count = 1; count <= 1000; count += 1) logger.info('line ' + count)
      setTimeout(() => { logger.info('last line'); process.exit(3) }, 100)`

    const [exitCode] = await once(start(code, full), 'exit')

    expect(exitCode).toBe(3)
  })
})

describe('the output parameter', () => {
  test.each(['json', 'pretty'] as const)('receives the log, as %s', async (logFormat) => {
    const output = new PassThrough()
    const logger = await createLogger({ logLevel: 'info', logFormat }, false, output)
    const unreadable = new SyntaxError('sentinel')

    logger.warn({ err: new Error('broken', { cause: unreadable }) }, 'Hello')
    logger.flush()

    const [text] = await once(output.setEncoding('utf8'), 'data')
    expect(text).toContain('Hello')
    expect(text).toContain('broken')
    expect(text).toContain('parse error')
    expect(text).not.toContain('sentinel')
  })
})

describe('an error in the log', () => {
  test.each(['SOURCE_REFUSED', 'BUS_REQUEST_TIMEOUT'])('has no stack if its code is %s', async (code) => {
    const { err } = await line(
      `logger.error({ err: Object.assign(new Error('broken'), { code: '${code}' }) }, 'Hello')`,
    )

    expect(err).toEqual({ type: 'Error', message: 'broken', code })
  })

  test.each(['E_X', 'ERR_INVALID_ARG_TYPE', 'ECONNREFUSED', 'BUS_NO_PROVIDER'])(
    'has a stack if its code is %s',
    async (code) => {
      const { err } = await line(
        `logger.error({ err: Object.assign(new TypeError('broken'), { code: '${code}' }) }, 'Hello')`,
      )

      const stack = expect.stringMatching(/^TypeError: broken\n +at /)
      expect(err).toEqual({ type: 'TypeError', message: 'broken', code, stack })
    },
  )

  test('has a stack if it has no code', async () => {
    const { err } = await line(`logger.error({ err: new TypeError('broken') }, 'Hello')`)

    expect(err).toEqual({
      type: 'TypeError',
      message: 'broken',
      stack: expect.stringMatching(/^TypeError: broken\n +at /),
    })
  })

  test('has the chain of causes with their stacks', async () => {
    const code = `const first = new Error('first')
      const second = new RangeError('second', { cause: first })
      logger.error({ err: new TypeError('third', { cause: second }) }, 'Hello')`

    const { err } = await line(code)

    const stack = expect.stringContaining(' at ')
    expect(err).toEqual({
      type: 'TypeError',
      message: 'third',
      stack,
      cause: { type: 'RangeError', message: 'second', stack, cause: { type: 'Error', message: 'first', stack } },
    })
  })

  test('contains the stack of its cause, even if it has none itself', async () => {
    const code = `const cause = new TypeError('first')
      logger.error({ err: Object.assign(new Error('second', { cause }), { code: 'SOURCE_UNAVAILABLE' }) }, 'Hello')`

    const { err } = await line(code)

    const cause = { type: 'TypeError', message: 'first', stack: expect.stringContaining(' at ') }
    expect(err).toEqual({ type: 'Error', message: 'second', code: 'SOURCE_UNAVAILABLE', cause })
  })

  test('does not contain the stack of a cause with a code, if it has none itself', async () => {
    const code = `const cause = Object.assign(new Error('first'), { code: 'ENOENT' })
      logger.error({ err: Object.assign(new Error('second', { cause }), { code: 'UNUSABLE_FILE' }) }, 'Hello')`

    expect((await line(code)).err.cause).toEqual({ type: 'Error', message: 'first', code: 'ENOENT' })
  })

  test('does not contain the stack of a cause that is an error response of AWS', async () => {
    const code = `const cause = Object.assign(new Error('denied'), { $metadata: { httpStatusCode: 400 } })
      logger.error({ err: new Error('outer', { cause }) }, 'Hello')`

    expect((await line(code)).err.cause).toEqual({ type: 'Error', message: 'denied' })
  })

  test('contains the errors of an AggregateError and of Promise.any', async () => {
    const lines = await written(`const any = await Promise.any([Promise.reject(new Error('one')), Promise.reject(7)])
        .catch((error) => error)
      logger.error({ err: any }, 'Hello')
      logger.error({ err: new Error('outer', { cause: new AggregateError([new TypeError('two')], 'both') }) }, 'Hello')`)

    const [any, nested] = lines
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text).err)
    const stack = expect.stringContaining(' at ')
    expect(any.errors).toEqual([{ type: 'Error', message: 'one', stack }, { message: '7' }])
    expect(nested.cause).toMatchObject({ message: 'both', errors: [{ type: 'TypeError', message: 'two', stack }] })
  })

  test('contains at most 20 errors, even if it contains itself', async () => {
    const code = `const err = new AggregateError(Array.from({ length: 1000 }, () => new Error('one')), 'many')
      const own = new AggregateError([], 'own')
      own.errors = [own, own, own, own]
      logger.error({ err }, 'Hello')
      logger.error({ err: own }, 'Hello')`

    const lines = (await written(code)).trimEnd().split('\n')

    expect(lines[0]?.match(/"message":"one"/g)).toHaveLength(19)
    expect(lines[1]?.match(/"message":"own"/g)).toHaveLength(20)
  })

  test('of another realm is logged like any other', async () => {
    const code = `const vm = await import('node:vm')
      logger.error({ err: vm.runInNewContext("new TypeError('foreign', { cause: new Error('inner') })") }, 'Hello')`

    const stack = expect.stringContaining(' at ')
    const cause = { type: 'Error', message: 'inner', stack }
    expect((await line(code)).err).toEqual({ type: 'TypeError', message: 'foreign', stack, cause })
  })

  test.each([
    [
      'a Proxy whose traps throw',
      `new Proxy(new Error('x'), Object.fromEntries(['get', 'has', 'getPrototypeOf', 'ownKeys',
      'getOwnPropertyDescriptor'].map((trap) => [trap, () => { throw new Error('trap') }])))`,
    ],
    ['a revoked Proxy', `(({ proxy, revoke }) => (revoke(), proxy))(Proxy.revocable({}, {}))`],
    [
      'an error with a revoked Proxy as reasons',
      `Object.assign(new Error('x'), { errors:
      (({ proxy, revoke }) => (revoke(), proxy))(Proxy.revocable([], {})) })`,
    ],
    ...['message', 'code', 'name', 'stack', 'cause', 'errors'].map((key): [string, string] => [
      `an error whose ${key} throws`,
      `Object.defineProperty(new Error('x'), '${key}', { get() { throw new Error('getter') } })`,
    ]),
    ...['message', 'code', 'name', 'stack'].map((key): [string, string] => [
      `an error whose ${key} is an object that cannot be converted`,
      `Object.assign(new Error('x'), { ${key}: { toString() { throw new Error('x') }, toJSON() { throw new Error('x') } } })`,
    ]),
    ['an object without a prototype', 'Object.create(null)'],
    ['a symbol', `Symbol('s')`],
    ['a bigint', '1n'],
    ['a function', '() => 1'],
    ['an error with a bigint as its code', `Object.assign(new Error('x'), { code: 1n })`],
  ])('is logged if it is %s', async (_, err) => {
    expect(await line(`logger.error({ err: ${err} }, 'Hello')`)).toMatchObject({
      msg: 'Hello',
      err: { message: expect.any(String) },
    })
  })

  test('is the thrown value if it is not an Error', async () => {
    const lines = await written(`for (const err of ['text', null, 7]) logger.error({ err }, 'Hello')`)

    const thrown = lines.trimEnd().split('\n')
    expect(thrown.map((text) => JSON.parse(text).err)).toEqual([
      { message: 'text' },
      { message: 'null' },
      { message: '7' },
    ])
  })

  test('is left out if it is undefined', async () => {
    expect(await line(`logger.error({ err: undefined }, 'Hello')`)).not.toHaveProperty('err')
  })

  test.each(["a $& b $' c $1", '', 'a\nb'])('has an unchanged stack with the message %j', async (message) => {
    const code = `const err = new Error(${JSON.stringify(message)})
      logger.error({ err, stack: err.stack }, 'Hello')`

    const { err, stack } = await line(code)

    expect(err.stack).toBe(stack)
  })

  test('is logged even if it is its own cause', async () => {
    const code = `const err = new Error('round')
      err.cause = err
      logger.error({ err }, 'Hello')`

    expect(await line(code)).toMatchObject({ msg: 'Hello', err: { message: 'round' } })
  })
})

describe('a parse error in the log', () => {
  const cases: [string, string][] = [
    ['as the error', 'unreadable'],
    ['as a cause', `new Error('outer', { cause: unreadable })`],
    ['as the cause of a cause', `new Error('outer', { cause: new Error('middle', { cause: unreadable }) })`],
    [
      'as the cause of an error with a code',
      `Object.assign(new Error('outer', { cause: unreadable }), { code: 'E_X' })`,
    ],
    ['with a code', `Object.assign(unreadable, { code: 'E_X' })`],
    ['with a cause', `Object.assign(unreadable, { cause: new Error('inner') })`],
    ['as a reason', `new AggregateError([unreadable], 'outer')`],
    [
      'of another realm',
      `(await import('node:vm')).runInNewContext("try { JSON.parse('sentinel {') } catch (e) { e }")`,
    ],
    ['as the cause of a thrown object', `{ message: 'outer', cause: unreadable }`],
    ['copied to an object', `{ name: 'SyntaxError', message: unreadable.message, stack: unreadable.stack }`],
    ['of a subclass', `new (class Unreadable extends SyntaxError {})('sentinel-0123456789')`],
  ]

  test('quotes the text that failed to parse, if logged as it is (control)', async () => {
    expect(await line('logger.info({ message: unreadable.message }, unreadable.stack)')).toMatchObject({
      message: expect.stringContaining('sentinel'),
      msg: expect.stringContaining('sentinel'),
    })
  })

  test.each(cases)('does not quote the text in JSON: %s', async (_where, err) => {
    const text = await written(`logger.error({ err: ${err} }, 'Hello')`)

    expect(text).toContain('"parse error"')
    expect(text).not.toContain('sentinel')
  })

  test.each(cases)('does not quote the text in the pretty format: %s', async (_where, err) => {
    const text = await written(`logger.error({ err: ${err} }, 'Hello')`, { logFormat: 'pretty' })

    expect(text).toContain('parse error')
    expect(text).not.toContain('sentinel')
  })

  test('keeps its stack frames', async () => {
    const { err } = await line(`logger.error({ err: unreadable }, 'Hello')`)

    expect(err).toMatchObject({
      type: 'SyntaxError',
      stack: expect.stringMatching(/^parse error\n +at /),
    })
  })
})

describe('the format', () => {
  const code = `logger.warn({ reqId: 'r-1' }, 'Hello')`
  const color = '\u001b['

  test('pretty has the time, level and message, followed by the fields', async () => {
    const text = await written(code, { logFormat: 'pretty' })

    expect(text).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: Hello\n +reqId: "r-1"\n$/)
  })

  test('pretty has colors only on a terminal', async () => {
    expect(await written(code, { logFormat: 'pretty', terminal: true })).toContain(color)
    expect(await written(code, { logFormat: 'pretty', terminal: false })).not.toContain(color)
  })

  test('auto is pretty on a terminal and JSON otherwise', async () => {
    expect(await written(code, { logFormat: 'auto', terminal: true })).toContain(color)
    expect(JSON.parse(await written(code, { logFormat: 'auto', terminal: false }))).toHaveProperty('msg', 'Hello')
  })

  test('json is JSON on a terminal too', async () => {
    expect(JSON.parse(await written(code, { logFormat: 'json', terminal: true }))).toHaveProperty('msg', 'Hello')
  })
})
