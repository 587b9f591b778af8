/** Checks that the figures in the deployment guide are what the script next to them prints. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { snippetsIn } from '../support/project/snippets.ts'

const document = 'docs/DEPLOYING.md'
const text = readFileSync(join(import.meta.dirname, '../..', document), 'utf8')

test('the costs of DynamoDB reads are those that the script prints', () => {
  const [script, ...others] = snippetsIn(document, text).filter(({ language }) => language === 'js')
  expect(others).toEqual([])

  const rows = execFileSync(process.execPath, ['--eval', script?.code ?? ''], { encoding: 'utf8' })

  expect(rows.split('\n')).toHaveLength(12 + 1)
  expect(text).toContain(`|---|\n${rows}\n`)
})
