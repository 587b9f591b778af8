/** Reads files named by options, such as `--tls-cert`. */
import { readFile } from 'node:fs/promises'
import { messageOf } from '../../bus/errors.ts'
import { UnusableFile } from '../../errors.ts'

/** @throws UnusableFile with the flag, the file and the reason */
export function readOptionFile(flag: string, file: string): Promise<Buffer> {
  return readFile(file).catch((cause) => {
    throw new UnusableFile(`Failed to read ${flag} ${file}: ${messageOf(cause)}`, { cause })
  })
}
