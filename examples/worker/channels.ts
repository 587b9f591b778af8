/** The channels of the worker. */
import { request } from '@secret-bus/bus'

/** A job that a file of the queue describes. */
export interface Job {
  /** The name of the file. */
  readonly id: string
  readonly kind: string
  /** Checked by the provider of the kind. */
  readonly payload: Readonly<Record<string, unknown>>
}

/** Returns the oldest job, or `undefined` if there is none. It stays in the queue until it is removed. */
export const nextJob = request<void, Job | undefined>('queue.next')

/** Removes a job that is done. */
export const removeJob = request<Job, void>('queue.remove')

/** Moves a job that has failed to the folder `failed`. */
export const rejectJob = request<Job, void>('queue.reject')

/** Performs a job. There is one channel per kind, each with a timeout of its own. */
export const jobs = {
  mail: request<Job, void>('job.mail', { timeout: 5_000 }),
  checksum: request<Job, void>('job.checksum', { timeout: 60_000 }),
}
