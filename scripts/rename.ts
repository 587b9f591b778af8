/**
 * Renames this project, for a fork: replaces its name in the text and the names of all files that Git knows.
 *
 *   npm run rename -- NAME
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { namePattern } from '../src/bus/process/service-info.ts'
import { readPackage } from '../src/runtime/package.ts'

/** `order-book`, `order_book`, `ORDER_BOOK`, `orderBook`, `OrderBook`, and `orderbook` for Docker Hub. */
function spellings(name: string): string[] {
  const snake = name.replaceAll('-', '_')
  const pascal = `-${name}`.replace(/-(.)/g, (_dash, letter: string) => letter.toUpperCase())
  const camel = `${name[0]}${pascal.slice(1)}`
  return [name, snake, snake.toUpperCase(), camel, pascal, name.replaceAll('-', '')]
}

function git(...args: string[]): string[] {
  return execFileSync('git', args, { encoding: 'utf8' }).split('\0').filter(Boolean)
}

const [to = '', ...others] = process.argv.slice(2)
if (!namePattern.test(to) || others.length > 0) {
  const received = JSON.stringify([to, ...others].join(' '))
  process.stderr.write(`The name must be words of a to z and 0 to 9 joined by dashes, received ${received}\n`)
  process.exit(64)
}
const { name: from } = readPackage(import.meta.url)
const [before, after] = [spellings(from), spellings(to)]
const renamed = (text: string) => before.reduce((all, old, index) => all.replaceAll(old, after[index] ?? ''), text)
const matches = before.flatMap((old) => ['-e', old])
// `-I` leaves out binary files.
for (const file of git('grep', '--files-with-matches', '-z', '-I', '--fixed-strings', ...matches))
  writeFileSync(file, renamed(readFileSync(file, 'utf8')))
for (const file of git('ls-files', '-z')) if (renamed(file) !== file) git('mv', file, renamed(file))
// The length of the name determines where lines break, and its place in the alphabet the order of imports.
execFileSync(process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'check', '--write'], { stdio: 'inherit' })
process.stdout.write(`Renamed ${from} to ${to}.\n`)
