import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { defaultLimits } from '../../../src/handlers/server/limits.ts'
import { withinOpenFiles } from '../../../src/handlers/server/open-files.ts'

test.each([
  [256, 128, 64],
  [1_024, 524, 262],
  [4_096, 3_596, 1_798],
  [16_384, 8_000, 2_000],
  [Infinity, 8_000, 2_000],
])('%d descriptors are enough for %d open connections, of which %d are served', (openFiles, open, served) => {
  expect(withinOpenFiles(defaultLimits, openFiles)).toEqual({
    ...defaultLimits,
    openConnections: open,
    connections: served,
  })
})

test.each(['the limits of the process', 'the report of Node'])(
  'the number of descriptors is found in %s',
  async (where) => {
    const module = new URL('../../../src/handlers/server/open-files.ts', import.meta.url).href
    const hide = "require('node:fs').readFileSync = () => { throw new Error('ENOENT') }; syncBuiltinESMExports();"
    const program = `import { createRequire, syncBuiltinESMExports } from 'node:module'; const require = createRequire('/');
    const { openFilesLimit } = await import('${module}'); ${where === 'the report of Node' ? hide : ''}
    console.log(openFilesLimit())`

    const run = promisify(execFile)('bash', [
      '-c',
      'ulimit -n 300; exec "$0" --input-type=module --eval "$1"',
      process.execPath,
      program,
    ])

    expect((await run).stdout).toBe('300\n')
  },
)

test('docker-compose.yml gives the service the descriptors for the default limits', () => {
  const file = readFileSync(new URL('../../../docker-compose.yml', import.meta.url), 'utf8')

  const { nofile } = parse(file).services['secret-bus'].ulimits

  expect(withinOpenFiles(defaultLimits, nofile.soft)).toEqual(defaultLimits)
  expect(nofile.hard).toBe(nofile.soft)
})
