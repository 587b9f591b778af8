/** Checks that the CI configurations call existing scripts, and that docker/publish tags the image correctly. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const files = ['.github/workflows/ci.yml', '.travis.yml']

interface Job {
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

  test('installs HAProxy and promtool and requires Docker and Chromium only in the job that runs the system tests', () => {
    const commands = Object.entries(workflow.jobs).map(([name, { steps }]) => {
      return [name, steps.flatMap(({ run }) => run ?? [])] as const
    })

    const withPrograms = commands.filter(([, runs]) => runs.some((run) => /haproxy|chromium/.test(run)))
    expect(withPrograms).toEqual([
      [
        'system',
        [
          'sudo apt-get update && sudo apt-get install --yes haproxy prometheus openjdk-17-jre-headless',
          'docker version && haproxy -v && promtool --version && /usr/bin/chromium --version',
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
    const { publish, ...others } = workflow.jobs

    expect(publish?.needs).toEqual(Object.keys(others))
  })
})

/** Runs docker/publish in a repository with this tag, and returns the arguments that it passes to Docker. */
function publish(tag: string | undefined, ...args: string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'publish-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const name of ['docker', 'bin']) mkdirSync(join(folder, name))
  copyFileSync(join(root, 'docker/publish'), join(folder, 'docker/publish'))
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'))
  writeFileSync(join(folder, 'bin/docker'), '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 })
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x', ...words], { cwd: folder })
  git('init', '--quiet')
  git('commit', '--quiet', '--allow-empty', '--message=x')
  if (tag) git('tag', tag)
  const env = { PATH: `${join(folder, 'bin')}:${process.env['PATH']}` }
  return execFileSync(join(folder, 'docker/publish'), args, { env, encoding: 'utf8', stdio: 'pipe' }).split('\n')
}

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
