/** Everything brought up by compose, with nothing configured and with an `.env`. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { compose, engine, freshTree, run } from '../support/project/docker.ts'

describe.runIf(engine)('compose', () => {
  let tree = ''
  let removeTree = () => {}
  const composed = (...args: string[]) => {
    const [command = '', ...words] = [...compose, '--project-name=secret-bus-test', ...args]
    return run(command, words, { cwd: tree })
  }

  beforeAll(async () => {
    const { folder, remove } = await freshTree()
    tree = folder
    removeTree = remove
    await composed('build')
  }, 600_000)

  afterAll(() => removeTree())

  test('brings everything up with nothing configured, and down again', async () => {
    onTestFinished(async () => void (await composed('down', '--volumes', '--remove-orphans')))

    await composed('up', '--detach')

    const secret = () =>
      fetch('http://127.0.0.1:5000/secret').then(
        (reply) => reply.text(),
        () => undefined,
      )
    await expect.poll(secret).toBe('{"secret_code":"the secret of thedoctor"}')
    const health = await fetch('http://127.0.0.1:5000/health')
    expect(Object.keys(JSON.parse(await health.text()))).toEqual(['status', 'container', 'project'])

    const began = performance.now()
    await composed('down')
    process.stdout.write(`docker-compose down took ${Math.round(performance.now() - began)} ms.\n`)
    await expect(fetch('http://127.0.0.1:5000/health')).rejects.toThrow()
  })

  test('has two services, and the port of the one on loopback alone', async () => {
    const config = await composed('config')

    expect((await composed('config', '--services')).split('\n').toSorted()).toEqual(['dynamodb', 'secret-bus'])
    expect(config.match(/127\.0\.0\.1:5000:5000|host_ip: 127\.0\.0\.1/)).not.toBeNull()
  })

  test('asks AWS with an .env, and not the emulator', async () => {
    const emulated = await composed('config')
    writeFileSync(
      join(tree, '.env'),
      'SECRET_BUS_DYNAMODB_ENDPOINT=\nAWS_REGION=eu-west-3\nAWS_ACCESS_KEY_ID=AKIAEXAMPLE\n',
    )
    onTestFinished(() => rmSync(join(tree, '.env')))

    const config = await composed('config')

    expect(emulated).toContain('http://dynamodb:8000')
    expect(config).not.toContain('http://dynamodb:8000')
    expect(config).toContain('AWS_REGION: eu-west-3')
    expect(config).toContain('AWS_ACCESS_KEY_ID: AKIAEXAMPLE')
  })

  test('takes the template of the .env as it stands', async () => {
    await run('cp', ['.env.example', '.env'], { cwd: tree })
    onTestFinished(() => rmSync(join(tree, '.env')))

    const config = await composed('config')

    expect(config).toMatch(/SECRET_BUS_DYNAMODB_ENDPOINT: ('|")\1/)
  })
})
