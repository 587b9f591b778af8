/** Provides the queue from a folder with one JSON file per job, in the order of their names. */
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { lifecycle, type Subscriber } from '@secret-bus/bus'
import { type Job, nextJob, rejectJob, removeJob } from './channels.ts'

export const fileQueue =
  (folder: string): Subscriber =>
  (bus) => {
    const failed = join(folder, 'failed')
    const reject = (id: string) => rename(join(folder, id), join(failed, id))

    bus.subscribe(lifecycle.start, async () => void (await mkdir(failed, { recursive: true })))

    bus.provide(nextJob, async () => {
      for (const id of (await readdir(folder)).filter((name) => name.endsWith('.json')).toSorted()) {
        const job = jobIn(id, await readFile(join(folder, id), 'utf8'))
        if (job) return job
        bus.log('error', `Failed to read ${id}: it must be an object with kind and payload`)
        await reject(id)
      }
      return undefined
    })

    bus.provide(removeJob, ({ id }) => rm(join(folder, id)))

    bus.provide(rejectJob, ({ id }) => reject(id))
  }

/** The job in a file; undefined if the file does not describe one. */
function jobIn(id: string, text: string): Job | undefined {
  try {
    const { kind, payload } = JSON.parse(text)
    return typeof kind === 'string' && typeof payload === 'object' && payload !== null
      ? { id, kind, payload }
      : undefined
  } catch {
    return undefined
  }
}
