import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { credentials, type Dynamodb, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import type { ServiceProcess } from '../support/service/process.ts'
import { startTestService } from '../support/service/test-service.ts'

function startWith(dynamodb: Pick<Dynamodb, 'endpoint'>, ...args: string[]): ServiceProcess {
  return startTestService(['--dynamodb-endpoint', dynamodb.endpoint, ...args], credentials)
}

async function dynamodbFor(options?: Parameters<typeof startDynamodb>[0]): Promise<Dynamodb> {
  const dynamodb = await startDynamodb(options)
  onTestFinished(() => dynamodb.close())
  return dynamodb
}

/** The log records so far, optionally only those of some levels. */
function logged({ stdout }: ServiceProcess, ...levels: string[]): { msg: string; level: string; time: string }[] {
  const lines = stdout.map((line) => JSON.parse(line))
  return levels.length === 0 ? lines : lines.filter(({ level }) => levels.includes(level))
}

const transitions = (service: ServiceProcess) =>
  logged(service)
    .map(({ msg }) => msg)
    .filter((message) => message.startsWith('Bus '))

const wholeLife = ['Bus STARTING', 'Bus STARTED', 'Bus STOPPING', 'Bus STOPPED', 'Bus EXITING', 'Bus EXITED']

const status = async (url: string) => (await fetch(url)).status

const secretOf = async (address: string) => JSON.parse(await (await fetch(`${address}/secret`)).text()).secret_code

/** Matches a stack trace as printed or as logged. */
const stack = /"stack"|^ +at |\\n +at /

describe('the embedded service', () => {
  test('serves a secret', async () => {
    const address = await startTestService(['--embedded']).address()

    const response = await fetch(`${address}/secret`)

    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ secret_code: 'the secret of thedoctor' })
  })

  test('serves its health: status, container and project', async () => {
    const address = await startTestService([
      '--embedded',
      '--container',
      'image:1',
      '--project',
      'https://example.org',
    ]).address()

    const response = await fetch(`${address}/health`)

    expect(response.status).toBe(200)
    expect(await response.text()).toBe('{"status":"healthy","container":"image:1","project":"https://example.org"}')
  })

  test('serves the links of its package by default', async () => {
    const address = await startTestService(['--embedded']).address()

    expect(Object.entries(JSON.parse(await (await fetch(`${address}/health`)).text()))).toEqual([
      ['status', 'healthy'],
      ['container', expect.stringMatching(/^https:\/\/hub\.docker\.com\//)],
      ['project', expect.stringMatching(/^https:\/\/github\.com\//)],
    ])
  })

  test('logs its address once, and no warnings', async () => {
    const service = startTestService(['--embedded'])
    await service.line(/Bus STARTED/)

    const address = await service.address()

    expect(logged(service).filter(({ msg }) => msg.includes(address))).toHaveLength(1)
    expect(logged(service, 'warn', 'error', 'fatal')).toEqual([])
    expect(service.stderr).toEqual([])
  })

  test('reads options from variables and a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'options.json'), '{ "embedded": true, "code-name": "rose" }')
    const env = { SECRET_BUS_CONFIG: join(folder, 'options.json'), SECRET_BUS_CODE_NAME: 'martha,donna' }

    const address = await startTestService([], env).address()

    expect(await secretOf(address)).toBe('the secret of martha')
  })
})

describe('a signal', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s shuts the process down gracefully', async (signal) => {
    const service = startTestService(['--embedded'])
    await service.line(/Bus STARTED/)
    expect(await secretOf(await service.address())).toBe('the secret of thedoctor')

    service.child.kill(signal)

    expect(await service.exited).toBe(0)
    expect(transitions(service)).toEqual(wholeLife)
    expect(logged(service, 'warn', 'error', 'fatal')).toEqual([])
  })

  test('shuts the process down without warnings while a secret is being fetched', async () => {
    const silent = createServer((socket) => onTestFinished(() => void socket.destroy())).listen(0, '127.0.0.1')
    onTestFinished(() => void silent.close())
    const connected = once(silent, 'connection')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const service = startWith({ endpoint: `http://127.0.0.1:${port}` }, '--request-timeout', '60s')
    await service.line(/Bus STARTED/)
    await connected

    service.child.kill('SIGTERM')

    expect(await service.exited).toBe(0)
    expect(transitions(service)).toEqual(wholeLife)
    expect(logged(service, 'warn', 'error', 'fatal')).toEqual([])
  })

  test('is logged up to the last line in the pretty format', async () => {
    const service = startTestService(['--embedded', '--log-format', 'pretty'])
    await service.line(/Bus STARTED/)

    service.child.kill('SIGTERM')

    expect(await service.exited).toBe(0)
    expect(service.stdout.at(-1)).toContain('Bus EXITED')
  })

  test('keeps the service running while it drains', async () => {
    const service = startTestService(['--embedded', '--drain', '60s'])
    const address = await service.address()

    service.child.kill('SIGTERM')
    await service.line(/Bus STOPPING/)

    expect(await status(`${address}/ready`)).toBe(503)
    expect(await secretOf(address)).toBe('the secret of thedoctor')
    expect(service.child.exitCode).toBeNull()
  })

  test.each([
    ['SIGINT', 'SIGINT'],
    ['SIGTERM', 'SIGINT'],
  ] as const)('%s followed by %s after 1 s ends the process immediately', async (first, second) => {
    const service = startTestService(['--embedded', '--drain', '60s'])
    await service.line(/Bus STARTED/)
    service.child.kill(first)
    await service.line(/Bus STOPPING/)

    // Repeats the signal, since the process counts from when it has received the first one.
    const repeat = setInterval(() => service.child.kill(second), 200)
    onTestFinished(() => clearInterval(repeat))

    expect(await service.exited).toBe(1)
    expect(transitions(service)).toEqual(['Bus STARTING', 'Bus STARTED', 'Bus STOPPING'])
    expect(logged(service).at(-1)).toMatchObject({
      level: 'warn',
      msg: `Received ${second} again, exiting immediately`,
    })
  })

  test('SIGHUP reloads the secrets, and the process keeps running', async () => {
    const dynamodb = await dynamodbFor()
    await dynamodb.putSecret('thedoctor', 'first')
    const service = startWith(dynamodb)
    const address = await service.address()
    expect(await secretOf(address)).toBe('first')
    await dynamodb.putSecret('thedoctor', 'second')

    service.child.kill('SIGHUP')

    await service.line(/Bus graceful/)
    await expect.poll(() => secretOf(address), { timeout: 10_000 }).toBe('second')
    expect(transitions(service)).toEqual(['Bus STARTING', 'Bus STARTED', 'Bus graceful'])
    service.child.kill('SIGTERM')
    expect(await service.exited).toBe(0)
  })
})

describe('a process that cannot start', () => {
  test.each([
    ['an unknown option', ['--prot', '80'], {}, 'secret-bus: Unknown argument: prot; did you mean --port?'],
    [
      'an invalid value',
      ['--drain', '5'],
      {},
      /^secret-bus: --drain must be a duration up to 24d, such as .*, received "5"$/,
    ],
    [
      'an invalid variable',
      [],
      { SECRET_BUS_MAX_ATTEMPTS: '0' },
      /^secret-bus: SECRET_BUS_MAX_ATTEMPTS must be .*, received "0"$/,
    ],
    [
      'an invalid region',
      [],
      { AWS_REGION: 'eu-central-1 ' },
      'secret-bus: AWS_REGION must be an AWS region, such as eu-central-1, received "eu-central-1 "',
    ],
    ['a repeated option', ['--table', 'abc', '--table', 'abc'], {}, 'secret-bus: --table must be given only once'],
  ])('because of %s prints one line and exits with 64', async (_what, args, env, line) => {
    const service = startTestService(['--embedded', ...args], env)

    expect(await service.exited).toBe(64)
    expect(service.stderr).toEqual([typeof line === 'string' ? line : expect.stringMatching(line)])
    expect(service.stdout).toEqual([])
  })

  test.each([
    ['no token is configured', {}],
    ['the token is empty', { SECRET_BUS_AUTH_TOKEN: '' }],
  ])('because it listens beyond loopback and %s logs one line and exits with 64', async (_why, env) => {
    const service = startTestService(['--embedded', '--host', '0.0.0.0'], env)

    expect(await service.exited).toBe(64)
    expect(logged(service, 'warn', 'error', 'fatal')).toEqual([
      expect.objectContaining({ level: 'error', msg: expect.stringMatching(/0\.0\.0\.0 .* --allow-anonymous/) }),
    ])
    expect(service.stdout.join()).not.toContain('Listening on http')
  })

  test('because its config file is missing prints one line and exits with 78', async () => {
    const service = startTestService(['--config', '/no/such/file.json'])

    expect(await service.exited).toBe(78)
    expect(service.stderr).toEqual([
      expect.stringMatching(/^secret-bus: Failed to read --config .*\/no\/such\/file\.json/),
    ])
    expect(service.stdout).toEqual([])
  })

  test('because its config file is not JSON does not quote it and exits with 78', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'options.json')
    await writeFile(file, 'sentinel {')

    const service = startTestService(['--config', file])

    expect(await service.exited).toBe(78)
    expect(service.stderr).toEqual([
      `secret-bus: --config ${file} must contain a JSON object; line 1, column 1 is not JSON`,
    ])
    expect(service.stdout).toEqual([])
  })

  test('because its port is in use logs one line with the port and exits with 70', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo

    const service = startTestService(['--embedded', '--port', `${port}`])

    expect(await service.exited).toBe(70)
    expect(logged(service, 'error', 'fatal')).toEqual([
      expect.objectContaining({ msg: expect.stringContaining(`127.0.0.1:${port}`) }),
    ])
    expect(transitions(service)).not.toContain('Bus STARTED')
    expect(transitions(service).at(-1)).toBe('Bus EXITED')
    expect(service.stdout.concat(service.stderr).filter((line) => stack.test(line))).toEqual([])
  })

  test('because it has no region logs one line that says how to set it and exits with 64', async () => {
    const service = startTestService([], { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })

    expect(await service.exited).toBe(64)
    expect(logged(service, 'warn', 'error', 'fatal')).toEqual([
      expect.objectContaining({ level: 'error', msg: expect.stringMatching(/No AWS region .*--region.*AWS_REGION/) }),
    ])
    expect(service.stdout.concat(service.stderr).filter((line) => stack.test(line))).toEqual([])
  })
})

describe('a process that cannot fetch its secret', () => {
  /** Expects a process that is alive but not ready, and that has logged one warning. */
  async function expectNotReady(service: ServiceProcess, warning: RegExp) {
    const address = await service.address()
    await service.line(/"level":"warn"/)
    expect(await status(`${address}/health`)).toBe(200)
    expect(await status(`${address}/ready`)).toBe(503)
    expect(await status(`${address}/secret`)).toBe(502)
    expect(logged(service, 'warn', 'error', 'fatal')).toEqual([
      expect.objectContaining({ level: 'warn', msg: expect.stringMatching(warning) }),
    ])
    expect(service.stdout.concat(service.stderr).filter((line) => stack.test(line))).toEqual([])
    expect(service.child.exitCode).toBeNull()
  }

  test('because it has no credentials keeps running and warns once', async () => {
    const service = startTestService([], { AWS_REGION: 'eu-central-1' })

    await expectNotReady(service, /Failed to fetch secret thedoctor: .*credentials/)
  })

  test('because the table is missing keeps running, warns once, and recovers when the table exists', async () => {
    const dynamodb = await dynamodbFor({ withTable: false })
    const service = startWith(dynamodb, '--negative-ttl', '50ms')
    const address = await service.address()
    await expectNotReady(service, /Failed to fetch secret thedoctor: .*ResourceNotFound/)

    await expect.poll(() => dynamodb.reads.length, { timeout: 10_000 }).toBeGreaterThan(2)
    expect(logged(service, 'warn')).toHaveLength(1)

    await dynamodb.createTable()
    await dynamodb.putSecret('thedoctor', 'late')

    await expect.poll(() => status(`${address}/ready`), { timeout: 15_000 }).toBe(200)
    expect(await secretOf(address)).toBe('late')
    await service.line(/Recovered: fetched secret thedoctor/)
  })
})

describe('an uncaught error', () => {
  /** Preloads a module that runs the code in a timer on SIGUSR2. */
  const onSigusr2 = (code: string) => {
    const module = `process.on('SIGUSR2', () => setTimeout(() => { ${code} }))`
    return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(module)}` }
  }

  test.each([
    ['an exception', `throw new Error('boom')`, 'Uncaught exception: boom'],
    ['a rejection', `Promise.reject(new Error('boom'))`, 'Uncaught exception: boom'],
    ['a rejection without a reason', 'Promise.reject()', 'Uncaught exception: undefined'],
    ['a parse error', `JSON.parse('senti' + 'nel {')`, 'Uncaught exception: parse error'],
    [
      'an error that is its own cause',
      `const error = new Error('round'); error.cause = error; throw error`,
      'Uncaught exception: round',
    ],
    ['an object without a prototype', 'throw Object.create(null)', expect.stringMatching(/^Uncaught exception: /)],
  ])('is logged as fatal and ends the process with 70: %s', async (_what, code, msg) => {
    const service = startTestService(['--embedded'], onSigusr2(code))
    await service.line(/Bus STARTED/)

    service.child.kill('SIGUSR2')

    expect(await service.exited).toBe(70)
    expect(logged(service, 'fatal')).toEqual([expect.objectContaining({ msg })])
    expect(transitions(service)).toEqual(wholeLife)
    expect(service.stdout.join()).not.toContain('sentinel')
    expect(service.stderr).toEqual([])
  })
})

describe('the log of the process', () => {
  test('has one line per call on the bus at level debug, with the request id', async () => {
    const service = startTestService(['--embedded', '--cache-ttl', '0', '--log-level', 'debug'])
    const address = await service.address()
    await service.line(/handled secret\.fetch/) // the fetch at start belongs to no request

    await fetch(`${address}/secret`, { headers: { 'x-request-id': 'r-1' } })

    const fields = { level: 'debug', reqId: 'r-1', ms: expect.any(Number) }
    expect(JSON.parse(await service.line(/"reqId":"r-1".*handled secret\.fetch/))).toMatchObject({
      ...fields,
      channel: 'secret.fetch',
      by: 'dynamodb',
      msg: 'dynamodb handled secret.fetch',
    })
    expect(JSON.parse(await service.line(/"reqId":"r-1".*handled secret\.get/))).toMatchObject({
      ...fields,
      channel: 'secret.get',
      by: 'secret-cache',
    })
  })

  test('has no bus calls at level info', async () => {
    const service = startTestService(['--embedded', '--cache-ttl', '0'])
    await fetch(`${await service.address()}/secret`)

    await service.line(/Secret accessed/)

    expect(logged(service, 'debug', 'trace')).toEqual([])
  })

  test('does not contain the secret at level trace', async () => {
    const dynamodb = await dynamodbFor()
    await dynamodb.putSecret('thedoctor', 'sentinel')
    const service = startWith(dynamodb, '--log-level', 'trace')
    expect(await secretOf(await service.address())).toBe('sentinel')

    service.child.kill('SIGTERM')
    await service.exited

    expect(logged(service)).toContainEqual(expect.objectContaining({ msg: 'Secret accessed', status: 200 }))
    expect(service.stdout.concat(service.stderr).join()).not.toContain('sentinel')
  })

  test.each(['json', 'pretty'])('may lose its reader (EPIPE) without affecting the process (%s)', async (format) => {
    const service = startTestService(['--embedded', '--log-format', format, '--log-level', 'debug'])
    const listening = await service.line(/Listening on/)
    const address = /http:[\w.:/]+/.exec(listening)?.[0]
    await service.line(/Bus STARTED/)

    service.child.stdout?.destroy()

    expect(await status(`${address}/secret`)).toBe(200)
    expect(await status(`${address}/secret`)).toBe(200)
    service.child.kill('SIGTERM')
    expect(await service.exited).toBe(0)
    expect(service.stderr).toEqual([])
  })
})

describe('the runtime', () => {
  /** Preloads a module that pretends to be this version of Node.js, or another runtime. */
  const pretend = (node: string, others: Readonly<Record<string, string>> = {}) => {
    const versions = JSON.stringify({ node, ...others })
    const module = `
      const versions = { ...process.versions, ...${versions} }
      Object.defineProperties(process, { version: { value: 'v${node}' }, versions: { value: versions } })`
    return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(module)}` }
  }

  test.each(['18.20.0', '20.1.0', '22.21.0', '24.11.1', '25.0.0'])(
    'Node.js %s is rejected in one line',
    async (node) => {
      const { exited, stderr } = startTestService(['--version'], pretend(node))

      expect(await exited).toBe(64)
      expect(stderr).toEqual([
        `secret-bus: Node.js must be version 24.12 or later, or 25.1 or later, received v${node}`,
      ])
    },
  )

  test.each(['24.12.0', '25.1.0', '26.0.0'])('Node.js %s is accepted', async (node) => {
    const { exited, stderr } = startTestService(['--version'], pretend(node))

    expect(await exited).toBe(0)
    expect(stderr).toEqual([])
  })

  test.each([
    ['Bun 1.4.5', { bun: '1.4.5' }],
    ['Deno 2.5.0', { deno: '2.5.0' }],
  ])('%s is rejected in one line', async (name, versions) => {
    const { exited, stderr } = startTestService(['--version'], pretend('26.3.0', versions))

    expect(await exited).toBe(64)
    expect(stderr).toEqual([`secret-bus: The runtime must be Node.js, received ${name}`])
  })

  test('range is the one that the package declares', () => {
    const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

    expect(engines).toEqual({ node: '^24.12 || >=25.1' })
  })
})
