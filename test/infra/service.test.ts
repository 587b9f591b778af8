/** Checks the CloudFormation template beyond its schema, and mutates it to test the checks. */
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { Template } from '../support/project/template.ts'
import { type CheckName, checks } from './checks.ts'
import { mutants } from './mutants.ts'
import { validator } from './validator.ts'

vi.setConfig({ testTimeout: 120_000 }) // starting the service and the validator takes seconds on a loaded machine

const text = readFileSync('infra/cfn/service.yaml', 'utf8')
const names = Object.keys(checks) as CheckName[] // `checks` has no other keys

afterAll(() => validator.free())

describe('in the template', () => {
  const template = new Template(text)

  test.for(names)('%s', async (name) => {
    await checks[name](template)
  })
})

describe('a check fails if', () => {
  const everyMutant = names.flatMap((check) => mutants[check].map((mutant) => [check, ...mutant] as const))

  test.for(everyMutant)('"%s": %s', async ([check, , from, to]) => {
    expect(text.split(from)).toHaveLength(2)
    const mutant = text.replace(from, () => to)
    expect(mutant).not.toBe(text)

    const checked = async () => checks[check](new Template(mutant))

    await expect(checked()).rejects.toThrow()
  })
})
