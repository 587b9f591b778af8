/** Performs jobs of the kind `mail`: writes a message to a folder, from which a mail server may take it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lifecycle, type Subscriber } from '@secret-bus/bus'
import { jobs } from './channels.ts'

export const mail =
  (outbox: string): Subscriber =>
  (bus) => {
    bus.subscribe(lifecycle.start, async () => void (await mkdir(outbox, { recursive: true })))

    bus.provide(jobs.mail, async ({ id, payload: { to, text } }, { signal }) => {
      if (typeof to !== 'string' || !/^\S+@\S+$/.test(to)) throw new TypeError('to must be an address')
      if (typeof text !== 'string') throw new TypeError('text must be a string')
      await writeFile(join(outbox, `${id}.eml`), `To: ${to}\n\n${text}\n`, { signal })
    })
  }
