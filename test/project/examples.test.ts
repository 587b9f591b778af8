/**
 * Runs the examples: the plugins as plugins of secret-bus, and the services as programs of their own. Each example has its
 * own test for its behavior.
 */
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startService } from '../support/service/process.ts'
import { startTestService } from '../support/service/test-service.ts'

const root = fileURLToPath(new URL('../../examples/', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const folders = globSync('*/', { cwd: root }).map((name) => basename(name))
/** Services have an entry point. All other examples are plugins. */
const services = ['orders/src/main.ts', 'worker/main.ts']
const isService = (folder: string) => services.some((entry) => entry.startsWith(`${folder}/`))
const plugins = folders
  .filter((folder) => !isService(folder))
  .toSorted()
  .flatMap((name) => ['mjs', 'ts'].map((end) => `${name}/${name}.${end}`))
const secretsFile = join(root, 'file-source/secrets.json')

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'examples-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

test('every example has a README of one screen and a test', () => {
  for (const folder of folders) {
    expect(read(`${folder}/README.md`).trimEnd().split('\n').length, folder).toBeLessThanOrEqual(50)
    expect(globSync(`${folder}/**/*.test.ts`, { cwd: root }), folder).toHaveLength(1)
  }
})

describe('the plugins', () => {
  test.each(['mjs', 'ts'])('work together in the program, as .%s files', async (end) => {
    const auditFile = join(await temporaryFolder(), 'accesses')
    // Without oidc, which requires a token.
    const together = plugins.filter((file) => file.endsWith(end) && !file.startsWith('oidc/'))
    const files = together.flatMap((file) => ['--plugin', join(root, file)])
    const unreachable = 'redis://127.0.0.1:1'
    const env = { SECRETS_FILE: secretsFile, AUDIT_FILE: auditFile, SECRET_BUS_FLEET_RELOAD_URL: unreachable }
    const service = startTestService(['--without', 'dynamodb', ...files], env)
    const origin = await service.address()

    const greeting = await (await fetch(`${origin}/greeting/Rose`)).json()
    const secret = await (await fetch(`${origin}/secret`)).json()
    service.child.kill('SIGTERM')

    expect(await service.exited).toBe(0)
    expect(service.stderr).toEqual([])
    expect(greeting).toEqual({ greeting: 'Hello, Rose!' })
    expect(secret).toEqual({ secret_code: JSON.parse(await readFile(secretsFile, 'utf8')).thedoctor })
    const accesses = (await readFile(auditFile, 'utf8')).trimEnd().split('\n')
    expect(accesses.map((line) => JSON.parse(line))).toMatchObject([{ codeName: 'thedoctor', status: 200 }])
  })

  test.each(['mjs', 'ts'])('oidc.%s serves only clients of its issuer, with the mapping of its README', async (end) => {
    const { privateKey, publicKey } = await generateKeyPair('RS256')
    const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), alg: 'RS256' }] })
    const keyServer = createServer((_, response) => void response.end(keys))
    await once(keyServer.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => {
      keyServer.close()
      keyServer.closeAllConnections()
    })
    const { port } = keyServer.address() as AddressInfo
    const token = await new SignJWT({
      repository: 'acme/shop',
      ref: 'refs/heads/main',
      iss: 'issuer',
      aud: 'secret-bus',
    })
      .setProtectedHeader({ alg: 'RS256' })
      .setExpirationTime('5m')
      .sign(privateKey)
    const files = ['oidc', 'file-source'].flatMap((name) => ['--plugin', join(root, `${name}/${name}.${end}`)])
    const flags = [`--oidc-jwks-url=http://127.0.0.1:${port}/`, '--oidc-issuer=issuer', '--oidc-audience=secret-bus']
    const args = ['--without', 'dynamodb', ...files, ...flags, `--oidc-clients=${join(root, 'oidc/clients.json')}`]
    const service = startTestService(args, { SECRETS_FILE: secretsFile })
    const origin = await service.address()

    const authorizations = ['Bearer bad.wolf.dalek', `Bearer ${token}`]
    const replies = await Promise.all(
      authorizations.map((authorization) => fetch(`${origin}/secret`, { headers: { authorization } })),
    )
    service.child.kill('SIGTERM')

    expect(await service.exited).toBe(0)
    expect(service.stderr).toEqual([])
    expect(replies.map(({ status }) => status)).toEqual([401, 200])
  })

  describe.each(plugins)('%s', (file) => {
    test('imports only Node.js modules and its own library at run time', () => {
      const libraries = new Map([
        ['fleet-reload', ['@redis/client', 'secret-bus']],
        ['oidc', ['jose', 'secret-bus']],
      ])
      const imported = [...read(file).matchAll(/^import (?!type\b).*?from '([^']+)'/gms)].map(([, from]) => from)
      const others = imported.filter((from) => !from?.startsWith('node:'))
      expect(others).toEqual(libraries.get(dirname(file)) ?? [])
    })

    test('is documented in its README, with the path to run it from', () => {
      expect(read(join(file, '../README.md'))).toContain(`examples/${file}`)
    })
  })

  test('are short: the greeting has at most 25 lines', () => {
    for (const file of plugins.filter((file) => file.startsWith('greeting')))
      expect(read(file).trimEnd().split('\n').length).toBeLessThanOrEqual(25)
  })
})

describe('the services', () => {
  /** Starts a service as its README does, from the sources. */
  const start = (entry: string, args: readonly string[]) => {
    const { example } = JSON.parse(read('../package.json')).scripts
    const [, loader = ''] = /--import (\S+)/.exec(example) ?? []
    const imported = new URL(`../../${loader}`, import.meta.url).href
    const service = startService(args, { NODE_OPTIONS: `--import ${imported}` }, join(root, entry))
    onTestFinished(async () => {
      service.child.kill('SIGKILL')
      await service.exited
    })
    return service
  }

  test.each(services)('%s is documented in its README with the command that runs it', (entry) => {
    const [folder = ''] = entry.split('/')
    expect(read(`${folder}/README.md`)).toContain(`npm run example -- examples/${entry}`)
  })

  test.each([
    ['orders', /^(secret-bus|secret-bus\/testing|vitest)$/],
    ['worker', /^(@secret-bus\/bus|vitest)$/],
  ])('%s imports only the package, Node.js modules and its own files', (folder, allowed) => {
    const sources = globSync(`${folder}/**/*.ts`, { cwd: root }).map(read).join('\n')
    const imported = [...sources.matchAll(/(?:from |import\()'([^']+)'/g)].map(([, from = '']) => from)
    expect(imported).not.toEqual([])
    expect(imported.filter((from) => !allowed.test(from) && !/^(node:|\.)/.test(from))).toEqual([])
    expect(imported.filter((from) => from.startsWith('../..'))).toEqual([])
  })

  test('orders has its own name in the help', async () => {
    const service = start('orders/src/main.ts', ['--help'])

    expect(await service.exited).toBe(0)
    expect(service.stdout.join('\n')).toMatch(/^orders \[command\] \[options\]\n\nAccepts orders/)
    expect([...service.stdout, ...service.stderr].join()).not.toMatch(/secret[-_ ]?bus/i)
  })

  test('orders serves with an embedded table until SIGTERM', async () => {
    const service = start('orders/src/main.ts', ['--embedded', '--port', '0', '--stock-url', 'http://127.0.0.1:1'])
    const origin = await service.address()

    const response = await fetch(`${origin}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sku: 'TEAPOT-1', quantity: 1 }),
    })
    service.child.kill('SIGTERM')

    expect(await response.json()).toMatchObject({ type: 'urn:orders:problem:stock-unavailable' })
    expect(await service.exited).toBe(0)
    expect(service.stderr).toEqual([])
  })

  test('orders loads a plugin', async () => {
    const plugin = join(root, 'greeting/greeting.mjs')
    const service = start('orders/src/main.ts', ['--embedded', '--port', '0', '--plugin', plugin])

    const response = await fetch(`${await service.address()}/greeting/Rose`)

    expect(await response.json()).toEqual({ greeting: 'Hello, Rose!' })
  })

  test('worker works off its queue until SIGTERM', async () => {
    const folder = await temporaryFolder()
    await writeFile(
      join(folder, '1.json'),
      '{ "kind": "mail", "payload": { "to": "rose@example.com", "text": "Run" } }',
    )
    const worker = start('worker/main.ts', [folder])
    await worker.line(/"Finished 1.json"/)
    worker.child.kill('SIGTERM')

    expect(await worker.exited).toBe(0)
    expect(worker.stderr).toEqual([])
    expect(await readdir(join(folder, 'outbox'))).toEqual(['1.json.eml'])
  })
})
