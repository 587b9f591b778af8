/** Runs the documented Docker commands in a fresh clone. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { compose, docker, engine, freshTree, run } from '../support/project/docker.ts'
import { commandsIn, isShownBy, needsDocker, runCommand, snippetsIn, writeFiles } from '../support/project/snippets.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe.runIf(engine).for(['docs/INSTRUCTIONS.md', 'docs/WRITE-A-PLUGIN.md'])('%s', (document) => {
  const blocks = snippetsIn(document, readFileSync(join(root, document), 'utf8'))
  let tree = ''

  beforeAll(async () => {
    const { folder, remove } = await freshTree()
    tree = folder
    writeFiles(tree, blocks)
    const [command = '', ...words] = compose
    await run(command, [...words, 'build', 'secret-bus'], { cwd: tree })
    return async () => {
      // Has an effect only if a command failed.
      await run(command, [...words, 'down', '--volumes', '--remove-orphans'], { cwd: tree })
      await docker('rm', '--force', 'hello').catch(() => {})
      remove()
    }
  }, 600_000)

  test.for(blocks.filter(needsDocker).map((block) => [block.line, block] as const))(
    'prints the documented output, line %i',
    { timeout: 600_000 },
    async ([, block], { signal }) => {
      for (const { command, shown } of commandsIn(block, blocks)) {
        // The image of this tree instead of the published one.
        const local = command.replace(/ secretbus\/secret-bus$/, '$&:local')
        const { code, printed } = await runCommand(local.replace(/^docker-compose/, compose.join(' ')), {
          cwd: tree,
          env: process.env,
          signal,
        })

        expect(code, `${command}\n${printed.join('\n')}`).toBe(0)
        if (shown.length > 0 && !isShownBy(shown, printed)) expect(printed, command).toEqual(shown)
      }
    },
  )
})
