/** Checks that older programs understand the compose file. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { everyOption } from '../support/service/options.ts'

const text = readFileSync(join(fileURLToPath(new URL('../..', import.meta.url)), 'docker-compose.yml'), 'utf8')
const variables = text
  .split('\n')
  .filter((line) => !/^\s*#/.test(line))
  .flatMap((line) => line.match(/\$\{[^}]*\}/g) ?? [])

describe('the variables in docker-compose.yml', () => {
  test('have no empty default, which podman-compose 1.0 passes on as it is', () => {
    expect(variables.length).toBeGreaterThan(5)
    for (const variable of variables) expect(variable).toMatch(/^\$\{\w+(:?-[^}]+)?\}$/)
  })

  test.for([
    ['SECRET_BUS_TABLE', 'table'],
    ['SECRET_BUS_CODE_NAME', 'code-name'],
  ])('%s has the default of its option', ([name, flag]) => {
    const option = everyOption.find((option) => option.flag === flag)

    expect(new Set(variables.filter((variable) => variable.includes(`{${name}`)))).toEqual(
      new Set([`\${${name}:-${option?.default}}`]),
    )
  })
})
