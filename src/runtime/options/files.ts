/** Files that options name. */
import { readFile } from 'node:fs/promises'
import { messageOf } from '../../bus/errors.ts'
import { UnusableFile } from '../../errors.ts'

/** @throws UnusableFile, naming the option, the file and the reason */
export function readOptionFile(flag: string, file: string): Promise<Buffer> {
  return readFile(file).catch((cause) => {
    throw new UnusableFile(`${flag} ${file} cannot be read: ${messageOf(cause)}`, { cause })
  })
}
