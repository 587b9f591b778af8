/** What no schema sees of the CloudFormation template, and what AWS's own validator does; and that they would see mistakes. */
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { Template } from '../support/project/template.ts'
import { type CheckName, checks } from './checks.ts'
import { mutants } from './mutants.ts'
import { validator } from './validator.ts'

vi.setConfig({ testTimeout: 120_000 }) // what the first of them starts takes a while on a busy machine

const text = readFileSync('infra/cfn/service.yaml', 'utf8')
const names = Object.keys(checks) as CheckName[] // it has no others

afterAll(() => validator.free())

describe('in the template', () => {
  const template = new Template(text)

  test.for(names)('%s', async (name) => {
    await checks[name](template)
  })
})

describe('a mistake is seen', () => {
  const everyMutant = names.flatMap((seenBy) => mutants[seenBy].map((mutant) => [seenBy, ...mutant] as const))

  test.for(everyMutant)('by "%s": %s', async ([seenBy, , from, to]) => {
    expect(text.split(from)).toHaveLength(2)
    const mutant = text.replace(from, () => to)
    expect(mutant).not.toBe(text)

    const checked = async () => checks[seenBy](new Template(mutant))

    await expect(checked()).rejects.toThrow()
  })
})
