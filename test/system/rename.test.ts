/** Renames a clone of the project, as the owner of a fork does. */
import { execFile } from 'node:child_process'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { freshTree } from '../support/project/docker.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('npm run rename replaces the name everywhere, and the result passes npm run check', async () => {
  const { folder, remove } = await freshTree()
  onTestFinished(remove)
  const run = (command: string, ...args: string[]) => promisify(execFile)(command, args, { cwd: folder })
  await run('git', 'init', '--quiet')
  await run('git', 'add', '--all')
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))

  await run('npm', 'run', 'rename', '--', 'order-book')

  const spelling = 'secret[-_]?bus'
  await expect(run('git', 'grep', '-iIE', spelling)).rejects.toMatchObject({ code: 1, stdout: '' }) // no match
  expect((await run('git', 'ls-files')).stdout).not.toMatch(new RegExp(spelling, 'i'))
  await run('npm', 'run', 'check')
})

test.for(['', 'Order', 'a b'])('npm run rename rejects the name %j in one line', async (name) => {
  const renaming = promisify(execFile)(process.execPath, ['scripts/rename.ts', name], { cwd: root })

  await expect(renaming).rejects.toMatchObject({
    code: 64,
    stdout: '',
    stderr: `The name must be words of a to z and 0 to 9 joined by dashes, received "${name}"\n`,
  })
})
