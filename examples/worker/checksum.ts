/** Performs jobs of the kind `checksum`: writes the SHA-256 of a file next to it. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Subscriber } from '@secret-bus/bus'
import { jobs } from './channels.ts'

export const checksum = (): Subscriber => (bus) => {
  bus.provide(jobs.checksum, async ({ payload: { file } }, { signal }) => {
    if (typeof file !== 'string') throw new TypeError('file must be a path')
    const hash = createHash('sha256')
    await pipeline(createReadStream(file), hash, { signal })
    await writeFile(`${file}.sha256`, `${hash.digest('hex')}\n`, { signal })
  })
}
