/** Checks docs/openapi.json with every rule that its linter has, but those of taste, and prints what is wrong. */
import { fileURLToPath } from 'node:url'
import { createConfig, formatProblems, getTotals, lint } from '@redocly/openapi-core'

const config = await createConfig({
  extends: ['all'],
  rules: {
    'info-contact': 'off', // the repository has it
    'path-segment-plural': 'off', // there is one health, and one secret
    'tags-alphabetical': 'off', // what matters most comes first
    'response-mime-type': 'off', // wants to be told of one media type for all
    'required-string-property-missing-min-length': 'off', // a secret may be anything
    'scalar-property-missing-example': 'off', // replies have examples as a whole
  },
})
const problems = await lint({ ref: fileURLToPath(new URL('openapi.json', import.meta.url)), config })
formatProblems(problems, { format: 'codeframe', totals: getTotals(problems), version: '' })
if (problems.length > 0) process.exitCode = 1
