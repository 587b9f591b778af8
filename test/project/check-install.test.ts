/** Runs npm scripts in projects that lack something. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Runs a script as npm does, in a project that has only these files. */
function run(script: string, files: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'secret bus ü-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  cpSync(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true })
  for (const file of files) {
    mkdirSync(join(folder, dirname(file)), { recursive: true })
    writeFileSync(join(folder, file), '')
  }
  const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter)
  const options = { cwd: folder, env: { PATH, ...env }, encoding: 'utf8' } as const
  return { ...spawnSync('sh', ['-c', scripts[script]], options), folder }
}

const dependencies = ['node_modules/yargs/index.js', 'src/main.ts', 'tsconfig.json']
const everything = [...dependencies, 'node_modules/dynalite/index.js', 'node_modules/typescript/bin/tsc']

describe('a project without dependencies', () => {
  test.for(['demo', 'dev', 'start', 'build'])('reports it in one line on npm run %s', (script) => {
    const { status, stderr } = run(script, ['src/main.ts'])

    expect(stderr).toBe('secret-bus: The dependencies are not installed: run npm ci\n')
    expect(status).toBe(1)
  })
})

describe('a project without development dependencies', () => {
  test.for(['demo', 'dev', 'build'])('reports it in one line on npm run %s', (script) => {
    const { status, stderr } = run(script, dependencies)

    expect(stderr).toBe('secret-bus: The development dependencies are not installed: run npm ci --include=dev\n')
    expect(status).toBe(1)
  })

  test('keeps an earlier build', () => {
    const { status, folder } = run('build', [...dependencies, 'dist/main.js'])

    expect(status).toBe(1)
    expect(existsSync(join(folder, 'dist/main.js'))).toBe(true)
  })
})

describe('a project that was installed without install scripts, and therefore without its own Node.js,', () => {
  test.for(['demo', 'dev'])('reports that an older version cannot run the sources on npm run %s', (script) => {
    const older = 'Object.defineProperty(process.features, "typescript", { value: false })'
    const preload = join(mkdtempSync(join(tmpdir(), 'secret-bus-')), 'older.cjs')
    onTestFinished(() => rmSync(dirname(preload), { recursive: true }))
    writeFileSync(preload, older)

    const { status, stderr } = run(script, everything, { NODE_OPTIONS: `--require=${preload}` })

    expect(stderr).toBe(
      `secret-bus: Node.js ${process.version} cannot run the sources: run npm ci --include=dev --ignore-scripts=false, which installs a version that can\n`,
    )
    expect(status).toBe(1)
  })
})

test('npm start before a build reports it in one line', () => {
  const { status, stderr } = run('start', everything)

  expect(stderr).toBe('secret-bus: dist/main.js does not exist: run npm run build\n')
  expect(status).toBe(1)
})
