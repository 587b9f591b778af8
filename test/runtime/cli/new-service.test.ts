import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import { newService } from '../../../src/runtime/cli/new-service.ts'
import { startTestService } from '../../support/service/test-service.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'new-service-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Creates the service, and returns its folder and what was printed. */
async function create(name: string, parent = temporaryFolder()) {
  let printed = ''
  const write = (text: string) => {
    printed += text
  }
  const code = await newService(name, { cwd: () => parent, stdout: { write } })
  return { code, printed, folder: join(parent, name) }
}

const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted()

describe('the new service', () => {
  test('has every file of the template, and the names of dotfiles that npm does not pack', async () => {
    const { folder } = await create('orders')

    const template = filesIn(join(root, 'template'))
    expect(template).toContain('gitignore')
    expect(filesIn(folder)).toEqual(template.map((file) => (file === 'gitignore' ? '.gitignore' : file)).toSorted())
    expect(filesIn(folder)).toEqual(
      expect.arrayContaining(['.dockerignore', '.github/workflows/ci.yml', 'src/main.ts']),
    )
  })

  test('has its own name in place of that of the template', async () => {
    const { folder } = await create('order-book2')

    const text = filesIn(folder).map((file) => `${file}\n${readFileSync(join(folder, file), 'utf8')}`)
    expect(text.join('')).not.toMatch(/example.?service/i)
    const read = (file: string) => readFileSync(join(folder, file), 'utf8')
    expect(JSON.parse(read('package.json')).name).toBe('order-book2')
    expect(read('docker-compose.yml')).toContain("ORDER_BOOK2_ALLOW_ANONYMOUS: 'true'")
  })

  test('depends on the version of the library that created it', async () => {
    const { folder } = await create('orders')

    const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    expect(dependencies).toEqual({ 'secret-bus': `^${version}` })
  })

  test('is announced with the commands that run it', async () => {
    const { code, printed } = await create('orders')

    expect(code).toBe(0)
    expect(printed).toBe('Created orders. Next:\n\n  cd orders\n  npm install\n  npm run demo\n')
  })
})

test.for([
  '',
  'Orders',
  '1orders',
  'orders-',
  'order--book',
  'order_book',
  'order book',
  '../orders',
  '/orders',
  '.',
  'é',
])('the name %j is rejected', async (name) => {
  const parent = temporaryFolder()

  const creating = create(name, parent)

  await expect(creating).rejects.toThrow(UsageError)
  await expect(creating).rejects.toThrow(
    `Service name must be words of a to z and 0 to 9 joined by dashes, such as orders, received "${name}"`,
  )
  expect(readdirSync(parent)).toEqual([])
})

test.each(['secret-bus', 'node', 'typescript'])(
  'the name %s of a package that it depends on is rejected',
  async (name) => {
    const parent = temporaryFolder()

    await expect(create(name, parent)).rejects.toThrow(
      new UsageError(`Service name must differ from the packages that it depends on, received "${name}"`),
    )
    expect(readdirSync(parent)).toEqual([])
  },
)

describe('an existing path is rejected and left alone', () => {
  const exists = 'Folder orders must not exist; choose another name, or remove it'

  test('if it is a folder', async () => {
    const parent = temporaryFolder()
    mkdirSync(join(parent, 'orders'))
    writeFileSync(join(parent, 'orders/package.json'), 'mine')

    await expect(create('orders', parent)).rejects.toThrow(exists)

    expect(readdirSync(join(parent, 'orders'))).toEqual(['package.json'])
    expect(readFileSync(join(parent, 'orders/package.json'), 'utf8')).toBe('mine')
  })

  test('if it is an empty folder', async () => {
    const parent = temporaryFolder()
    mkdirSync(join(parent, 'orders'))

    await expect(create('orders', parent)).rejects.toThrow(exists)

    expect(readdirSync(parent)).toEqual(['orders'])
  })

  test('if it is a file', async () => {
    const parent = temporaryFolder()
    writeFileSync(join(parent, 'orders'), 'mine')

    await expect(create('orders', parent)).rejects.toThrow(exists)

    expect(readFileSync(join(parent, 'orders'), 'utf8')).toBe('mine')
  })
})

test('a read-only parent is reported in one line', async () => {
  const parent = temporaryFolder()
  chmodSync(parent, 0o555)
  // The superuser may write to read-only folders.
  if (process.getuid?.() === 0) {
    process.seteuid?.(65_534)
    onTestFinished(() => process.seteuid?.(0))
  }

  await expect(create('orders', parent)).rejects.toThrow(
    `Failed to create folder orders: EACCES: permission denied, mkdir '${join(parent, 'orders')}'`,
  )
})

test('a folder that cannot be written completely is removed', async () => {
  const parent = temporaryFolder()
  // Limits the size of files to 1 KiB, so that the shorter ones can be written.
  const command = 'ulimit -f 1 && cd "$0" && exec "$@"'
  const program = [process.execPath, join(root, 'src/main.ts'), 'new', 'orders']

  const running = promisify(execFile)('bash', ['-c', command, parent, ...program])

  await expect(running).rejects.toMatchObject({
    code: 70,
    stdout: '',
    stderr: expect.stringMatching(/^secret-bus: Failed to write folder orders: EFBIG: .*\n$/),
  })
  expect(readdirSync(parent)).toEqual([])
})

test.for<[string[], string]>([
  [['new'], 'new requires <name>'],
  [
    ['new', 'Orders'],
    'Service name must be words of a to z and 0 to 9 joined by dashes, such as orders, received "Orders"',
  ],
  [['new', 'src'], 'Folder src must not exist; choose another name, or remove it'],
  [['new', 'a', 'b'], 'Unknown argument: b'],
])('the program rejects %j in one line', async ([args, line]) => {
  const program = startTestService(args)

  expect(await program.exited).toBe(64)
  expect(program.stdout).toEqual([])
  expect(program.stderr).toEqual([`secret-bus: ${line}`])
})
