/** Checks the template of new services against the sources and the versions of this project. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const project = JSON.parse(read('package.json'))
const template = JSON.parse(read('template/package.json'))

test('the template passes its own tests with the sources of this project', async () => {
  const args = ['--import', join(root, 'test/support/project/share-sources.ts'), '--test-reporter', 'tap', '--test']

  // With an empty environment, because Node.js otherwise reports to the test run that started it.
  const { stdout } = await promisify(execFile)(process.execPath, [...args, 'test/**/*.test.ts'], {
    cwd: join(root, 'template'),
    env: {},
  })

  expect(stdout).toMatch(/\n# pass [1-9]\d*\n# fail 0\n/)
})

test('the template requires the versions of this project', () => {
  expect(template.engines).toEqual(project.engines)
  for (const [name, version] of Object.entries(template.devDependencies))
    expect(project.devDependencies[name], name).toBe(version)
})

test('the workflow of the template runs its scripts, with the actions of this project', () => {
  const workflow = read('template/.github/workflows/ci.yml')
  const { jobs, permissions } = parse(workflow)

  expect(permissions).toEqual({ contents: 'read' })
  const steps: { uses?: string; run?: string }[] = jobs.test.steps
  const own = read('.github/workflows/ci.yml')
  for (const { uses } of steps) if (uses) expect(own).toContain(`uses: ${uses}\n`)
  const scripts = [...workflow.matchAll(/npm (?:run )?(?!ci\b)(\w+)/g)].map(([, name = '']) => name)
  expect(scripts).toEqual(['check', 'test'])
  for (const name of scripts) expect(Object.keys(template.scripts)).toContain(name)
})

test('the image of the template uses the same base image as that of this project', () => {
  const base = /^ARG NODE_IMAGE=.*$/m
  expect(base.exec(read('template/Dockerfile'))).toEqual(
    expect.arrayContaining([base.exec(read('docker/Dockerfile'))?.[0]]),
  )
})
