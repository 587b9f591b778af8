/** Takes the jobs from the queue, one after another, and requests each from the provider of its kind. */
import { backgroundLoop, messageOf, type Subscriber } from '@secret-bus/bus'
import { type Job, jobs, nextJob, rejectJob, removeJob } from './channels.ts'

export interface DispatcherOptions {
  /** Pause before an empty queue is read again, in milliseconds. */
  readonly every: number
}

export const dispatcher =
  ({ every }: DispatcherOptions): Subscriber =>
  (bus) => {
    const next = bus.requester(nextJob)
    const remove = bus.requester(removeJob)
    const reject = bus.requester(rejectJob)
    const kinds = new Map(Object.entries(jobs).map(([kind, channel]) => [kind, bus.requester(channel)]))

    const perform = async (job: Job) => {
      const fields = { job: job.id, kind: job.kind }
      try {
        const performKind = kinds.get(job.kind)
        if (!performKind) throw new Error(`kind must be one of ${[...kinds.keys()].join(', ')}`)
        // Without the signal of the loop, so that a stop waits for the job. The timeout of its channel bounds it.
        await performKind(job, { id: job.id })
        await remove(job)
        bus.log('info', `Finished ${job.id}`, fields)
      } catch (err) {
        bus.log('error', `Failed to perform ${job.id}: ${messageOf(err)}`, { ...fields, err })
        await reject(job)
      }
    }

    const workOff = async ({ signal }: { readonly signal: AbortSignal }) => {
      while (!signal.aborted) {
        const job = await next()
        if (!job) return
        await perform(job)
      }
    }

    backgroundLoop(bus, workOff, { every, name: 'dispatcher' })
  }
