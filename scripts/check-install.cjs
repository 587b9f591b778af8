/**
 * Reports in one line what an npm script lacks, instead of the stack trace that Node.js would print. Loaded with `--require`
 * before a file, or run with the name of the file. Runs on any version of Node.js, because a missing one is a case.
 */
const { existsSync } = require('node:fs')
const { relative, resolve } = require('node:path')

const file = relative('.', process.argv[require.main === module ? 2 : 1])
const isSource = file.endsWith('.ts')
const isMissing = (name) => !existsSync(resolve('node_modules', name))

const problems = [
  [isMissing('yargs'), 'The dependencies are not installed: run npm ci'],
  [
    (isSource && isMissing('dynalite')) || (file.startsWith('node_modules') && !existsSync(file)),
    'The development dependencies are not installed: run npm ci --include=dev',
  ],
  [
    isSource && !process.features.typescript,
    `Node.js ${process.version} cannot run the sources: run npm ci --include=dev --ignore-scripts=false, which installs a version that can`,
  ],
  [!existsSync(file), `${file} does not exist: run npm run build`],
]

const problem = problems.find(([applies]) => applies)
if (problem) {
  process.stderr.write(`secret-bus: ${problem[1]}\n`)
  process.exit(1)
}
