/** Checks that the CI configurations call existing scripts, and what docker/publish and scripts/publish pass on. */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const files = ['.github/workflows/ci.yml', '.travis.yml']

interface Job {
  readonly if?: string
  readonly permissions?: Readonly<Record<string, string>>
  readonly needs?: string[]
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly string[]>> }
  readonly steps: { readonly uses?: string; readonly run?: string }[]
  readonly 'timeout-minutes'?: number
}

interface Workflow {
  readonly permissions: object
  readonly jobs: Record<string, Job>
}

const workflow: Workflow = parse(read('.github/workflows/ci.yml'))

describe.for(files)('%s', (file) => {
  test('checks, tests and publishes with the scripts of the project', () => {
    const { scripts } = JSON.parse(read('package.json'))
    const called = [...read(file).matchAll(/npm run ([a-z:]+)/g)].map(([, name]) => name ?? '')

    expect(called).toEqual(['check', 'test:system'])
    for (const name of called) expect(Object.keys(scripts)).toContain(name)
    expect(read(file)).toContain('npm test')
    expect(read(file)).toContain('docker/publish')
    expect(read(file)).toContain('scripts/publish --dry-run')
  })
})

describe('the GitHub workflow', () => {
  test('has read-only permissions, timeouts and versioned actions', () => {
    const { permissions, jobs } = workflow

    expect(permissions).toEqual({ contents: 'read' })
    for (const { steps, 'timeout-minutes': timeout } of Object.values(jobs)) {
      expect(timeout).toBeGreaterThan(0)
      for (const { uses } of steps) if (uses) expect(uses).toMatch(/^(actions|docker)\/[a-z-]+@v\d+$/)
    }
  })

  test('installs HAProxy, promtool and Redis and requires Docker and Chromium only in the job that runs the system tests', () => {
    const commands = Object.entries(workflow.jobs).map(([name, { steps }]) => {
      return [name, steps.flatMap(({ run }) => run ?? [])] as const
    })

    const withPrograms = commands.filter(([, runs]) => runs.some((run) => /haproxy|chromium/.test(run)))
    expect(withPrograms).toEqual([
      [
        'system',
        [
          'sudo apt-get update && sudo apt-get install --yes haproxy prometheus redis-server openjdk-17-jre-headless',
          'docker version && haproxy -v && promtool --version && redis-server --version && aws --version && /usr/bin/chromium --version',
          'npm ci',
          'npm run test:system',
        ],
      ],
    ])
    expect(commands.filter(([, runs]) => runs.includes('npm run test:system')).map(([name]) => name)).toEqual([
      'system',
    ])
  })

  test('tests the oldest supported version of Node.js, and a newer one than that of the project', () => {
    const { engines, devDependencies } = JSON.parse(read('package.json'))
    const { strategy, steps } = workflow.jobs['versions'] ?? {}
    const versions = strategy?.matrix['node'] ?? []

    expect(engines.node).toContain(`^${versions[0]?.replace(/\.0$/, '')} `)
    expect(Number(versions[1])).toBeGreaterThan(Number.parseInt(devDependencies.node, 10))
    expect(steps?.map(({ run }) => run)).toContainEqual(
      expect.stringMatching(/^npm install --no-save node@\$\{\{ matrix\.node \}\}$/),
    )
  })

  test('publishes only after all other jobs', () => {
    const { publish, 'publish-packages': publishPackages, ...others } = workflow.jobs

    expect(publish?.needs).toEqual(Object.keys(others))
    expect(publishPackages?.needs).toEqual(Object.keys(others))
  })

  test('checks the packages on every change, and publishes them from version tags, with provenance', () => {
    const { packages, 'publish-packages': publish, ...others } = workflow.jobs

    expect(packages?.if).toBeUndefined()
    expect(packages?.steps.at(-1)).toEqual({ run: 'scripts/publish --dry-run' })
    expect(publish?.if).toBe("startsWith(github.ref, 'refs/tags/v') && vars.NPM_PUBLISH == 'true'")
    expect(publish?.permissions).toEqual({ contents: 'read', 'id-token': 'write' })
    expect(publish?.steps.at(-1)).toMatchObject({ run: 'scripts/publish' })
    expect(packages?.permissions).toBeUndefined()
    for (const { permissions } of Object.values(others)) expect(permissions).toBeUndefined()
  })
})

/** A program with the name of a real one. */
interface Substitute {
  readonly name: string
  readonly script: string
}

/** Runs a script in a repository with this tag and package.json, with a substitute for a program, and returns the lines that it prints. */
function runScript(
  script: string,
  { name, script: code }: Substitute,
  {
    tag,
    args = [],
    manifest = read('package.json'),
    env = {},
  }: {
    tag?: string | undefined
    args?: string[]
    manifest?: string
    env?: NodeJS.ProcessEnv
  },
): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'publish-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const path of [dirname(script), 'bin']) mkdirSync(join(folder, path))
  copyFileSync(join(root, script), join(folder, script))
  writeFileSync(join(folder, 'package.json'), manifest)
  writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${code}\n`, { mode: 0o755 })
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x', ...words], { cwd: folder })
  git('init', '--quiet')
  git('commit', '--quiet', '--allow-empty', '--message=x')
  if (tag) git('tag', tag)
  const PATH = `${join(folder, 'bin')}:${process.env['PATH']}`
  const options = { env: { PATH, ...env }, encoding: 'utf8', stdio: 'pipe' } as const
  return execFileSync(join(folder, script), args, options).split('\n')
}

/** Runs docker/publish in a repository with this tag, and returns the arguments that it passes to Docker. */
const publish = (tag: string | undefined, ...args: string[]) =>
  runScript('docker/publish', { name: 'docker', script: 'printf "%s\\n" "$@"' }, { tag, args })

const tagsIn = (words: string[]) => words.filter((word) => word.startsWith('--tag=')).map((word) => word.slice(6))

describe('docker/publish', () => {
  test.for([
    [undefined, ['latest']],
    ['v1.2.3', ['1.2.3', '1.2', '1']],
    ['v1.2.3-beta.1', ['1.2.3-beta.1']],
    ['something', ['latest']],
  ] as const)('with the Git tag %s tags the image %j', ([tag, tags]) => {
    const words = publish(tag)

    expect(tagsIn(words)).toEqual(tags.map((name) => `secretbus/secret-bus:${name}`))
  })

  test('pushes both platforms with provenance, SBOM, version and revision', () => {
    const words = publish('v1.2.3')

    expect(words).toEqual(
      expect.arrayContaining(['linux/amd64,linux/arm64', 'mode=max', '--sbom', '--push', 'VERSION=1.2.3']),
    )
    expect(words).toContainEqual(expect.stringMatching(/^REVISION=[0-9a-f]{40}$/))
  })

  test('does not push with --dry-run', () => {
    expect(publish('v1.2.3', '--dry-run')).not.toContain('--push')
  })

  test('rejects an unknown option', () => {
    expect(() => publish('v1.2.3', '--force')).toThrow('Unknown option --force')
  })
})

describe('scripts/publish', () => {
  /** Prints what is published and the configuration next to it, and knows one package that is already published. */
  const npm = {
    name: 'npm',
    script: `case "$1" in
      config) echo https://registry.invalid/ ;;
      view) [ "$2" = "$PUBLISHED" ] && echo "$2" ;;
      publish) shift && echo "$@" && if [ -e .npmrc ]; then cat .npmrc; fi ;;
    esac`,
  }
  /** Runs it for version 1.2.3, or another, and returns what it publishes. */
  function published(
    args: string[],
    { tag, version = '1.2.3', env = {} }: { tag?: string; version?: string; env?: NodeJS.ProcessEnv } = {},
  ): string[] {
    const manifest = JSON.stringify({ name: 'secret-bus', version, private: true }, undefined, 2)
    return runScript('scripts/publish', npm, { tag, args, manifest, env }).filter(Boolean)
  }

  test('publishes both packages with provenance, the bus first', () => {
    expect(published([], { tag: 'v1.2.3' })).toEqual([
      './secret-bus-bus-1.2.3.tgz --access public --provenance',
      './secret-bus-1.2.3.tgz --access public --provenance',
    ])
  })

  test('publishes nothing with --dry-run, on any commit', () => {
    expect(published(['--dry-run'], { env: { PUBLISHED: 'secret-bus@1.2.3' } })).toEqual([
      './secret-bus-bus-1.2.3.tgz --access public --dry-run --force',
      './secret-bus-1.2.3.tgz --access public --dry-run --force',
    ])
  })

  test('publishes a pre-release with the tag next', () => {
    const [bus] = published([], { tag: 'v2.0.0-beta.1', version: '2.0.0-beta.1' })

    expect(bus).toBe('./secret-bus-bus-2.0.0-beta.1.tgz --access public --provenance --tag next')
  })

  test('skips a package that is already published', () => {
    expect(published([], { tag: 'v1.2.3', env: { PUBLISHED: '@secret-bus/bus@1.2.3' } })).toEqual([
      '@secret-bus/bus@1.2.3 is already published',
      './secret-bus-1.2.3.tgz --access public --provenance',
    ])
  })

  test('refers npm to the token, and does not write it to a file', () => {
    const lines = published([], { tag: 'v1.2.3', env: { NPM_TOKEN: 'npm_123' } })

    expect(lines[1]).toMatch(/^\/\/registry\.invalid\/:_authToken=\$\{NPM_TOKEN\}$/)
    expect(lines.join()).not.toContain('npm_123')
  })

  test.for([undefined, 'v1.2.4', 'v1x2x3'])('rejects version 1.2.3 on a commit with the tag %s', (tag) => {
    expect(() => published([], tag === undefined ? {} : { tag })).toThrow('HEAD must have the tag v1.2.3')
  })

  test('rejects an unknown option', () => {
    expect(() => published(['--force'])).toThrow('Unknown option --force')
  })
})

test('npm publish in the project fails, and names the command that packs both packages', () => {
  const { scripts } = JSON.parse(read('package.json'))

  const { status, stderr } = spawnSync('sh', ['-c', scripts.prepublishOnly], { encoding: 'utf8' })

  expect(status).toBe(1)
  expect(stderr).toMatch(/^secret-bus: .*npm run pack:all.*\n$/)
})
