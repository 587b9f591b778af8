/** Docker Compose, with the defaults and with an `.env` file. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { compose, engine, freshTree, run } from '../support/project/docker.ts'

describe.runIf(engine)('compose', () => {
  let tree = ''
  let removeTree = () => {}
  const runCompose = (...args: string[]) => {
    const [command = '', ...words] = [...compose, '--project-name=secret-bus-test', ...args]
    return run(command, words, { cwd: tree })
  }

  beforeAll(async () => {
    const { folder, remove } = await freshTree()
    tree = folder
    removeTree = remove
    await runCompose('build')
  }, 600_000)

  afterAll(() => removeTree())

  test('starts without configuration, and stops', async () => {
    onTestFinished(async () => void (await runCompose('down', '--volumes', '--remove-orphans')))

    await runCompose('up', '--detach')

    const secret = () =>
      fetch('http://127.0.0.1:5000/secret').then(
        (reply) => reply.text(),
        () => undefined,
      )
    await expect.poll(secret).toBe('{"secret_code":"the secret of thedoctor"}')
    const health = await fetch('http://127.0.0.1:5000/health')
    expect(Object.keys(JSON.parse(await health.text()))).toEqual(['status', 'container', 'project'])

    const began = performance.now()
    await runCompose('down')
    process.stdout.write(`docker-compose down took ${Math.round(performance.now() - began)} ms.\n`)
    await expect(fetch('http://127.0.0.1:5000/health')).rejects.toThrow()
  })

  test('has two services, of which one publishes its port on loopback only', async () => {
    const config = await runCompose('config')

    expect((await runCompose('config', '--services')).split('\n').toSorted()).toEqual(['dynamodb', 'secret-bus'])
    expect(config.match(/127\.0\.0\.1:5000:5000|host_ip: 127\.0\.0\.1/)).not.toBeNull()
  })

  test('uses AWS instead of the emulator if an .env file configures it', async () => {
    const emulated = await runCompose('config')
    writeFileSync(
      join(tree, '.env'),
      'SECRET_BUS_DYNAMODB_ENDPOINT=\nAWS_REGION=eu-west-3\nAWS_ACCESS_KEY_ID=AKIAEXAMPLE\n',
    )
    onTestFinished(() => rmSync(join(tree, '.env')))

    const config = await runCompose('config')

    expect(emulated).toContain('http://dynamodb:8000')
    expect(config).not.toContain('http://dynamodb:8000')
    expect(config).toContain('AWS_REGION: eu-west-3')
    expect(config).toContain('AWS_ACCESS_KEY_ID: AKIAEXAMPLE')
  })

  test('accepts the unmodified .env.example', async () => {
    await run('cp', ['.env.example', '.env'], { cwd: tree })
    onTestFinished(() => rmSync(join(tree, '.env')))

    const config = await runCompose('config')

    expect(config).toMatch(/SECRET_BUS_DYNAMODB_ENDPOINT: ('|")\1/)
  })
})
