/** Reads the options from the JSON file of `--config`. */
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { UnusableFile, UsageError } from '../../errors.ts'
import { readOptionFile } from './files.ts'
import { jsonErrorPosition } from './json-position.ts'
import { nearest } from './nearest.ts'
import type { ResolvedOption } from './option.ts'
import type { Source } from './source.ts'
import { isModulePath, typesByName } from './types.ts'

/**
 * Relative paths in the file are relative to its folder.
 * @param ignoreUnknown whether to ignore options that are unknown, because the plugin that declares them is not loaded
 * @throws UsageError if an option is unknown; UnusableFile if the file is missing or invalid
 */
export async function fromFile(
  file: string,
  options: readonly ResolvedOption[],
  ignoreUnknown: boolean,
): Promise<Source> {
  const inFile = new Map(
    options
      .filter(({ flag, owner, variableOnly }) => !variableOnly && (flag !== 'config' || owner !== ''))
      .map((option) => [option.flag, option] as const),
  )
  const label = (flag: string) => `${JSON.stringify(flag)} in ${file}`
  const written = new Map<string, string[]>()
  for (const [flag, value] of Object.entries(await readObject(file))) {
    const option = inFile.get(flag)
    if (!option) {
      if (ignoreUnknown) continue
      throw unknownOption(flag, [...inFile.keys()], label)
    }
    const items: unknown[] = Array.isArray(value) ? value : [value]
    if (items.some((item) => typeof item === 'object'))
      throw new UsageError(`${label(flag)} must be a string, a number or a boolean`)
    const texts = items.map(String)
    if (texts.length > 0)
      written.set(
        flag,
        texts.map((text) => relativeTo(dirname(file), option, text)),
      )
  }
  return { written, label: ({ flag }) => label(flag) }
}

function relativeTo(folder: string, { type }: ResolvedOption, text: string): string {
  const path = text && resolve(folder, text)
  if (type === typesByName.file) return path
  return type === typesByName.module && (isModulePath(text) || existsSync(path)) ? path : text
}

function unknownOption(flag: string, known: readonly string[], label: (flag: string) => string): UsageError {
  const meant = nearest(flag, known)
  return new UsageError(`Unknown option ${label(flag)}${meant === undefined ? '' : `; did you mean "${meant}"?`}`)
}

/** @throws UnusableFile, which does not quote the file */
async function readObject(file: string): Promise<object> {
  // TextDecoder drops the byte order mark that editors on Windows write.
  const text = new TextDecoder().decode(await readOptionFile({ flag: '--config', path: file }))
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
