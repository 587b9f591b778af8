/** Assembles the worker: its subscribers in start order. They stop in reverse order. */

import { join } from 'node:path'
import { type Logger, log, ProcessBus } from '@secret-bus/bus'
import { checksum } from './checksum.ts'
import { dispatcher } from './dispatcher.ts'
import { fileQueue } from './file-queue.ts'
import { mail } from './mail.ts'

export interface WorkerOptions {
  /** The folder of the queue. */
  readonly folder: string
  /** Pause before an empty queue is read again, in milliseconds. */
  readonly every: number
  readonly logger: Logger
}

export function createWorker({ folder, every, logger }: WorkerOptions): ProcessBus {
  return new ProcessBus({ service: { name: 'worker', version: '1.0.0' }, shutdownTimeout: 60_000 })
    .use('log', log(logger))
    .use('file-queue', fileQueue(folder))
    .use('mail', mail(join(folder, 'outbox')))
    .use('checksum', checksum())
    .use('dispatcher', dispatcher({ every }))
}
