/** Reads the options from the JSON file of `--config`. */
import { dirname, resolve } from 'node:path'
import { UnusableFile, UsageError } from '../../errors.ts'
import { definitions, everyOption } from './definitions.ts'
import { readOptionFile } from './files.ts'
import { jsonErrorPosition } from './json-position.ts'
import { nearest } from './nearest.ts'
import type { Source } from './source.ts'
import * as type from './types.ts'

/** All options except `--config` itself. */
const inFile = new Map(
  everyOption
    .filter(({ definition }) => definition !== definitions.config)
    .map(({ flag, definition }) => [flag, definition] as const),
)

/**
 * Relative paths in the file are relative to its folder.
 * @throws UsageError if an option is unknown; UnusableFile if the file is missing or invalid
 */
export async function fromFile(file: string): Promise<Source> {
  const label = (flag: string) => `${JSON.stringify(flag)} in ${file}`
  const written = new Map<string, string[]>()
  for (const [flag, value] of Object.entries(await readObject(file))) {
    const definition = inFile.get(flag)
    if (!definition) throw unknownOption(flag, label)
    const items: unknown[] = Array.isArray(value) ? value : [value]
    if (items.some((item) => typeof item === 'object'))
      throw new UsageError(`${label(flag)} must be a string, a number or a boolean`)
    const texts = items.map(String)
    const isPath = definition.type === type.path
    if (texts.length > 0) written.set(flag, isPath ? texts.map((text) => text && resolve(dirname(file), text)) : texts)
  }
  return { written, label }
}

function unknownOption(flag: string, label: (flag: string) => string): UsageError {
  const meant = nearest(flag, [...inFile.keys()])
  return new UsageError(`Unknown option ${label(flag)}${meant === undefined ? '' : `; did you mean "${meant}"?`}`)
}

/** @throws UnusableFile, which does not quote the file */
async function readObject(file: string): Promise<object> {
  // TextDecoder drops the byte order mark that editors on Windows write.
  const text = new TextDecoder().decode(await readOptionFile('--config', file))
  const value = parse(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  const { line, column } = value === undefined ? jsonErrorPosition(text) : {}
  const where = line === undefined ? '' : `; line ${line}, column ${column} is not JSON`
  throw new UnusableFile(`--config ${file} must contain a JSON object${where}`)
}

/** Returns `undefined` for invalid JSON. The parse error is dropped, because it quotes the file. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
