/** Runs cfn-lint on the CloudFormation template, if it is installed. */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const installed = spawnSync('cfn-lint', ['--version']).status === 0

test('cfn-lint reports nothing', { timeout: 120_000 }, async ({ skip }) => {
  skip(!installed, 'cfn-lint is not installed')

  const output = await promisify(execFile)('cfn-lint', ['infra/cfn/service.yaml']).catch((error) => error)

  expect(output).toEqual({ stdout: '', stderr: '' })
})
