/** The container image, built and run with Docker. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { docker, engine, freshTree, inspect, run } from '../support/project/docker.ts'

const image = `secret-bus-test:${randomUUID()}`
const base = 'node:24-bookworm-slim'
const megabyte = 1_000_000
/** Content of files that the image must not include. */
const sentinel = `sentinel-${randomUUID()}`
const labels = { VERSION: '1.2.3', REVISION: 'abc123', SOURCE: 'https://example.com/source' }

if (!engine) process.stdout.write('Docker is not available: skipping the tests of the image.\n')

/** Starts a hardened container and removes it when the test finishes. */
async function start(...options: string[]) {
  const hardened = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--publish=127.0.0.1::5000']
  const environment = ['--env=AWS_REGION=eu-central-1', '--env=SECRET_BUS_ALLOW_ANONYMOUS=true']
  const began = performance.now()
  const id = await docker('run', '--detach', ...hardened, ...environment, ...options, image)
  onTestFinished(async () => void (await docker('rm', '--force', '--volumes', id)))
  const origin = `http://${await docker('port', id, '5000/tcp')}`
  const status = () =>
    fetch(`${origin}/health`).then(
      (reply) => reply.status,
      () => undefined,
    )
  await expect.poll(status, { interval: 10 }).toBe(200)
  return { id, origin, took: performance.now() - began }
}

describe.runIf(engine)('the image', () => {
  let removeTree = () => {}

  beforeAll(async () => {
    const { folder, remove } = await freshTree()
    removeTree = remove
    mkdirSync(join(folder, '.git'), { recursive: true })
    for (const file of ['.env', '.git/config', 'test/secret.txt', 'secret.pem'])
      writeFileSync(join(folder, file), sentinel)
    const args = Object.entries(labels).map(([name, value]) => `--build-arg=${name}=${value}`)
    await run('docker', ['build', '--file=docker/Dockerfile', `--tag=${image}`, ...args, '.'], { cwd: folder })
  }, 600_000)

  afterAll(async () => {
    removeTree()
    await docker('rmi', '--force', image)
  })

  test('adds less than 5 MB to its base image', async () => {
    const [size, baseSize] = await Promise.all([inspect<number>(image, '.Size'), inspect<number>(base, '.Size')])

    const added = (size - baseSize) / megabyte
    process.stdout.write(
      `The image has ${(size / megabyte).toFixed(1)} MB, ${added.toFixed(2)} MB more than its base.\n`,
    )
    expect(added).toBeGreaterThan(0)
    expect(added).toBeLessThan(5)
  })

  test('contains the program and its pages, and no other file of the project', async () => {
    const id = await docker('create', image)
    onTestFinished(async () => void (await docker('rm', id)))

    const listed = await run('sh', ['-c', `docker export ${id} | tar --list app`])

    const files = listed.split('\n').filter((file) => !file.endsWith('/'))
    const program = ['package.json', 'bundle/main.js', 'bundle/bus/index.js']
    const swaggerUi = ['swagger-ui-bundle.js', 'swagger-ui.css'].map((file) => `@fastify/swagger-ui/static/${file}`)
    const pages = [
      ...readdirSync('src/handlers/pages/browser').map((file) => `bundle/browser/${file}`),
      ...swaggerUi.map((file) => `bundle/node_modules/${file}`),
    ]
    const expected = [...program, ...pages].map((file) => `app/${file}`)
    expect(files).toEqual(expect.arrayContaining(expected))
    // The bundler generates the names of chunks that are loaded on demand.
    const others = files.filter((file) => !expected.includes(file) && !/^app\/bundle\/[^/]+\.js(\.map)?$/.test(file))
    expect(others).toEqual([])
  })

  test('does not contain excluded files in any layer or in its history', async () => {
    const found = (text: string) => run('sh', ['-c', `docker save ${image} | grep --count --text '${text}' || true`])

    expect(Number(await found('org.opencontainers.image'))).toBeGreaterThan(0)
    expect(await found(sentinel)).toBe('0')
    expect(await docker('history', '--no-trunc', image)).not.toContain(sentinel)
    expect(await docker('inspect', image)).not.toContain(sentinel)
  })

  test('runs without a shell as an unprivileged user', async () => {
    const config = await inspect<Record<string, unknown>>(image, '.Config')

    expect(config).toMatchObject({
      User: 'node',
      Entrypoint: ['node', '--enable-source-maps', '--max-semi-space-size=16', '/app/bundle/main.js'],
      Healthcheck: { Test: ['CMD', 'node', '/app/bundle/main.js', 'healthcheck'] },
    })
  })

  test('has labels with its source, version and revision', async () => {
    const actual = await inspect<Record<string, string>>(image, '.Config.Labels')

    expect(actual).toMatchObject({
      'org.opencontainers.image.source': labels.SOURCE,
      'org.opencontainers.image.version': labels.VERSION,
      'org.opencontainers.image.revision': labels.REVISION,
    })
  })

  test('serves with a read-only file system and no capabilities', async () => {
    const { id, took } = await start()

    process.stdout.write(`Time from docker run to the first 200: ${Math.round(took)} ms.\n`)
    expect(await docker('exec', id, 'node', '--print', 'process.getuid()')).toBe('1000')
    await expect(docker('exec', id, 'node', '--eval', 'fs.writeFileSync("/app/x", "")')).rejects.toThrow('EROFS')
  })

  test('contains all files that its pages load', async () => {
    const { origin } = await start('--env=SECRET_BUS_INSPECTOR=true')

    for (const path of ['/docs', '/-/bus']) {
      const page = await (await fetch(origin + path)).text()
      const loaded = [...page.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map(([, file = '']) => file)
      expect(loaded.length).toBeGreaterThan(1)
      for (const file of loaded) expect((await fetch(new URL(file, origin + path))).status).toBe(200)
    }
    expect(await (await fetch(`${origin}/openapi.json`)).json()).toHaveProperty(['paths', '/secret'])
  })

  test('refuses to serve without a token, unless that is allowed', async () => {
    const id = await docker('create', '--env=AWS_REGION=eu-central-1', image)
    onTestFinished(async () => void (await docker('rm', '--force', id)))

    await docker('start', id)

    expect(await docker('wait', id)).toBe('64')
    expect(await docker('logs', id)).toContain('requires --allow-anonymous')
  })

  test('becomes healthy', async () => {
    const { id } = await start()

    await expect.poll(() => inspect<string>(id, '.State.Health.Status')).toBe('healthy')
  })

  test('reports why it is unhealthy', async () => {
    const { id } = await start()

    const check = docker('exec', id, 'node', '/app/bundle/main.js', 'healthcheck', '--port', '5001')

    await expect(check).rejects.toThrow(/Unhealthy.*ECONNREFUSED/)
  })

  test.for([['as the first process'], ['behind an init', '--init']])(
    'exits with 0 on SIGTERM, %s',
    async ([, ...init]) => {
      const { id } = await start(...init)

      await docker('stop', id)

      expect(await inspect<number>(id, '.State.ExitCode')).toBe(0)
      expect(await docker('logs', id)).toContain('"msg":"Bus EXITED"')
    },
  )

  test("does not disclose a token file in the container's configuration or log", async () => {
    const { folder, remove } = await freshTree()
    onTestFinished(remove)
    writeFileSync(join(folder, 'token'), sentinel, { mode: 0o644 })

    const { id, origin } = await start(
      `--volume=${join(folder, 'token')}:/run/secrets/token:ro`,
      '--env=SECRET_BUS_AUTH_TOKEN_FILE=/run/secrets/token',
    )

    expect((await fetch(`${origin}/secret`)).status).toBe(401)
    const { status } = await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${sentinel}` } })
    expect(status).toBe(200)
    expect(await docker('inspect', id)).not.toContain(sentinel)
    expect(await docker('logs', id)).not.toContain(sentinel)
  })
})
