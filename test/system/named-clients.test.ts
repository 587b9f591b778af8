/** Runs the commands of the guides to named clients with the AWS CLI, and sends requests with the tokens. */
import { execFile, spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { credentials, startDynamodb } from '../support/dynamodb/dynamodb.ts'
import { scrape } from '../support/exposition.ts'
import { listen } from '../support/http/listen.ts'
import { snippetsIn } from '../support/project/snippets.ts'
import { startTestService } from '../support/service/test-service.ts'

const missing = ['aws', 'jq'].filter((tool) => spawnSync(tool, ['--version']).status !== 0)
if (missing.length > 0) process.stdout.write(`${missing.join(', ')} not installed: skipping the guides to clients\n`)

const root = fileURLToPath(new URL('../..', import.meta.url))
const deploying = 'docs/DEPLOYING.md'
const upgrading = 'docs/UPGRADING.md'

/** The commands of the only block of the document that contains the text. Those to services without an emulator are left out. */
async function commands(document: string, text: string): Promise<string> {
  const blocks = snippetsIn(document, await readFile(join(root, document), 'utf8')).filter(({ code }) =>
    code.includes(text),
  )
  expect(blocks, text).toHaveLength(1)
  return String(blocks[0]?.code).replaceAll(/^aws (logs|secretsmanager delete).*\n/gm, '')
}

/** A table with a secret, and a shell in a folder of its own in which `aws` uses it, and `npx secret-bus` the sources. */
async function start(environment: NodeJS.ProcessEnv = {}) {
  const dynamodb = await startDynamodb()
  onTestFinished(dynamodb.close)
  await dynamodb.putSecret('thedoctor', 'run')
  const folder = await mkdtemp(join(tmpdir(), 'secret-bus-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const npx = `#!/bin/sh\nshift\nexec "${process.execPath}" "${join(root, 'src/main.ts')}" "$@"\n`
  await writeFile(join(folder, 'npx'), npx, { mode: 0o700 })
  const env = {
    ...credentials,
    PATH: `${folder}:${process.env['PATH']}`,
    AWS_DEFAULT_REGION: credentials.AWS_REGION,
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb.endpoint,
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    ...environment,
  }
  const run = async (script: string) =>
    (await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder, env })).stdout.trim()
  const serve = async () => {
    const options = ['--clients-secret', 'clients', '--cache-ttl', '1s', '--dynamodb-endpoint', dynamodb.endpoint]
    const service = startTestService([...options, '--log-format', 'json'], credentials)
    const origin = await service.address()
    const status = async (path: string, token: string) =>
      (await fetch(`${origin}${path}`, { headers: { authorization: `Bearer ${token}` } })).status
    return { service, origin, status }
  }
  return { run, serve }
}

const prefix = (token: string) => hash('sha256', token).slice(0, 8)

const tokenIn = (file: string) => `sed -n 's/^token: //p' ${file}`

test.runIf(missing.length === 0)('the guide creates clients, rotates a token and shows that it is unused', async () => {
  const { run, serve } = await start()
  const store = await commands(deploying, '--rawfile document clients.json')
  await run(await commands(deploying, 'npx secret-bus token > billing.token'))
  await run(store)
  const [billing, ops] = [await run(tokenIn('billing.token')), await run(tokenIn('ops.token'))]
  const { service, origin, status } = await serve()
  await expect.poll(() => status('/secret', ops)).toBe(200)
  expect(await status('/metrics', ops)).toBe(200)
  expect(await status('/secret', billing)).toBe(200)
  expect(await status('/metrics', billing)).toBe(403)

  await run(await commands(deploying, 'dynamodb get-item'))
  await run(await commands(deploying, '> new.token'))
  await run(store)
  const renewed = await run(tokenIn('new.token'))
  await expect.poll(() => status('/secret', renewed)).toBe(200)
  const old = await run(`${await commands(deploying, 'OLD=')}\necho $OLD`)

  /** The number of requests by the prefix of the token, in the metrics and in the audit trail. */
  const seen = async () => {
    const values = (await scrape(origin, { authorization: `Bearer ${ops}` })).values('secret_bus_token_uses_total')
    const lines = service.stdout.map((line) => JSON.parse(line))
    return [old, prefix(renewed)].map((token) => ({
      uses: values[`billing ${token}`],
      audited: lines.filter((line) => line.msg === 'Secret accessed' && line.token === token).length,
    }))
  }
  expect(old).toBe(prefix(billing))
  const before = { uses: 2, audited: 1 } // `/metrics` is not in the audit trail
  await expect.poll(async () => (await seen())[0]).toEqual(before)
  const uses = (await seen())[1]?.uses ?? 0
  expect(await status('/secret', renewed)).toBe(200)
  await expect.poll(seen).toEqual([before, { uses: uses + 1, audited: uses + 1 }])

  await run(await commands(deploying, 'del(.clients[]'))
  await run(store)

  await expect.poll(() => status('/secret', billing)).toBe(401)
  expect(await status('/secret', renewed)).toBe(200)
})

test.runIf(missing.length === 0)('the upgrade guide keeps the tokens of a list until they are removed', async () => {
  const list = createServer((_, response) => {
    response.setHeader('content-type', 'application/x-amz-json-1.1')
    response.end(JSON.stringify({ SecretString: 'first-token\r\n\n second-token' }))
  })
  const { endpoint, close } = await listen(list)
  onTestFinished(close)
  const { run, serve } = await start({ AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoint, TOKEN_ARN: 'tokens' })

  await run(await commands(upgrading, 'secretsmanager get-secret-value'))

  const { status } = await serve()
  for (const token of ['first-token', 'second-token']) {
    await expect.poll(() => status('/secret', token)).toBe(200)
    for (const path of ['/metrics', '/openapi.json', '/secret/thedoctor']) expect(await status(path, token)).toBe(200)
  }

  const billing = `"billing", tokens: ["${hash('sha256', 'third-token')}" | "sha256:" + .], secrets: ["thedoctor"]`
  await run(`jq '.clients += [{name: ${billing}}]' clients.json > changed.json; mv changed.json clients.json`)
  await run(await commands(upgrading, 'del(.clients[]'))
  await run(await commands(deploying, '--rawfile document clients.json'))

  await expect.poll(() => status('/secret', 'first-token')).toBe(401)
  expect(await status('/secret', 'third-token')).toBe(200)
})
