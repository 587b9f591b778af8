/**
 * Profiles a request to the production set-up and to bare Fastify with `perf` (Debian: linux-perf): CPU time by area of the code.
 *
 *     npm run bench:profile
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startDynamodb } from '../test/support/dynamodb/dynamodb.ts'
import { loadServer } from './load.ts'
import { bareFastify, production, type Server, startServer } from './server-process.ts'
import { table } from './tables.ts'

const run = promisify(execFile)

/** A sample belongs to the first area that matches its stack, which lists the innermost frame first. */
const areas: Readonly<Record<string, (stack: readonly string[]) => boolean>> = {
  'the audit line: event, text, writing': (stack) => stack.some((frame) => frame.includes('/routes/batch.ts')),
  'system calls for the socket': ([innermost = '']) => innermost.includes('[kernel'),
  'our bus': isIn(/\/src\/bus\//),
  'our cache, clients, limits, rights, metrics, headers': isIn(/\/src\//),
  'Fastify: routing, hooks, serialising': isIn(/\/node_modules\//),
  'Node in JavaScript: HTTP, streams, timers': isIn(/ node:/),
  'Node in C++: parser, libuv, garbage collection': () => true,
}

const seconds = 15
const connections = 32

const emulator = await startDynamodb()
await emulator.putSecret('thedoctor', 'the secret of thedoctor')
const usual = production(emulator.endpoint)
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
// The sources rather than the bundle, because the areas are recognized by file.
const fromSources: Server = {
  ...usual,
  args: (port) => usual.args(port).map((argument) => (argument.endsWith('bundle/main.js') ? main : argument)),
}
const [bare, own] = [await profile(bareFastify), await profile(fromSources)]
await emulator.close()
const row = (name: string, one = 0, other = 0) => [name, ...[one, other, other - one].map((us) => us.toFixed(1))]
const total = (of: Readonly<Record<string, number>>) => Object.values(of).reduce((sum, us) => sum + us, 0)
const rows = Object.keys(areas).map((area) => row(area, bare[area], own[area]))
const heads = ['CPU µs per request', 'bare Fastify', 'production', 'more']
process.stdout.write(`${table('GET /secret, 32 connections', heads, [...rows, row('all', total(bare), total(own))])}\n`)

/** Microseconds per request, by area. */
async function profile({ args, ...rest }: Server): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'secret-bus-profile-'))
  const flags = ['--perf-basic-prof', `--logfile=${join(folder, 'v8.log')}`] // V8 also writes a log, which is discarded
  const server = await startServer({ ...rest, args: (port) => [...flags, ...args(port)] }, '/secret')
  await loadServer(server, { path: '/secret', connections, seconds: 5 })
  const data = join(folder, 'perf.data')
  const record = ['record', '-e', 'cpu-clock', '-F', '1999', '-g', '-p', `${server.pid}`, '-o', data]
  const recording = run('perf', [...record, '--', 'sleep', `${seconds}`])
  const { cpu: us } = await loadServer(server, { path: '/secret', connections, seconds })
  await recording
  const script = ['script', '-i', data, '-F', 'ip,sym,dso']
  const { stdout } = await run('perf', script, { maxBuffer: 2 ** 30 })
  await server.stop()
  rmSync(folder, { recursive: true })
  rmSync(`/tmp/perf-${server.pid}.map`, { force: true })
  const counts: Record<string, number> = {}
  const samples = stdout.split('\n\n').filter((sample) => sample.trim() !== '')
  for (const sample of samples) {
    const area = areaOf(sample.trim().split('\n'))
    counts[area] = (counts[area] ?? 0) + 1
  }
  return Object.fromEntries(Object.entries(counts).map(([area, count]) => [area, (count / samples.length) * us]))
}

function areaOf(stack: readonly string[]): string {
  return Object.entries(areas).find(([, isOf]) => isOf(stack))?.[0] ?? ''
}

/** Matches if the innermost JavaScript frame is in such a file. An inlined function counts as part of its caller. */
function isIn(file: RegExp): (stack: readonly string[]) => boolean {
  return (stack) => file.test(stack.find((frame) => frame.includes(' JS:')) ?? '')
}
