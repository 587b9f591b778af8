/** What AWS's other linter says of the CloudFormation template, where it is installed. */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const installed = spawnSync('cfn-lint', ['--version']).status === 0

test('cfn-lint has nothing to say', { timeout: 120_000 }, async ({ skip }) => {
  skip(!installed, 'cfn-lint is not installed')

  const said = await promisify(execFile)('cfn-lint', ['infra/cfn/service.yaml']).catch((error) => error)

  expect(said).toEqual({ stdout: '', stderr: '' })
})
