/** Reads files named by options, such as `--tls-cert`. */
import { constants, type FileHandle, open, readFile } from 'node:fs/promises'
import { messageOf } from '../../bus/errors.ts'
import { UnusableFile } from '../../errors.ts'

export interface OptionFile {
  readonly flag: string
  readonly path: string
}

/** @throws UnusableFile with the flag, the file and the reason */
export function readOptionFile(file: OptionFile): Promise<Buffer> {
  return readFile(file.path).catch((cause) => {
    throw unreadable(file, cause)
  })
}

/** In bytes. */
const largestFile = 16 * 1024 * 1024

/**
 * Like `readOptionFile`, but neither waits for the writer of a named pipe nor reads without a limit. For a file that may
 * have been replaced since the start.
 * @throws UnusableFile also if it is not a regular file, or larger than 16 MiB
 */
export async function readRegularFile(file: OptionFile): Promise<Buffer> {
  const { flag, path } = file
  // Without O_NONBLOCK, which Windows does not have, opening a named pipe waits.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((cause) => {
    throw unreadable(file, cause)
  })
  try {
    await checkRegular(handle, `${flag} ${path}`)
    return await handle.readFile()
  } catch (error) {
    throw error instanceof UnusableFile ? error : unreadable(file, error)
  } finally {
    await handle.close()
  }
}

function unreadable({ flag, path }: OptionFile, cause: unknown): UnusableFile {
  return new UnusableFile(`Failed to read ${flag} ${path}: ${messageOf(cause)}`, { cause })
}

async function checkRegular(handle: FileHandle, name: string): Promise<void> {
  const stats = await handle.stat()
  if (!stats.isFile()) throw new UnusableFile(`${name} must be a regular file`)
  if (stats.size > largestFile)
    throw new UnusableFile(`${name} must be at most ${largestFile} bytes, received ${stats.size}`)
}
