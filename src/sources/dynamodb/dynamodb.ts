/** Secrets in a DynamoDB table: answers `secret.fetch`. */
import { setTimeout } from 'node:timers/promises'
import { messageOf } from '../../bus/errors.ts'
import { lifecycle } from '../../bus/process/lifecycle.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { type DynamodbLocation, fetchSecret, locateDynamodb } from '../../channels.ts'
import { ExitError } from '../../errors.ts'
import { SourceFailure } from '../../secret.ts'
import type { DynamodbTable, TableOptions } from './table.ts'

export interface DynamodbOptions extends TableOptions {
  /** The region that the environment names, which the SDK takes where no other is given. */
  readonly awsRegion?: string | undefined
}

/** Nothing says which region to ask. Nothing will at run time either, so the process ends with `EX_USAGE`. */
class NoRegion extends ExitError {
  override readonly name = 'NoRegion'
  readonly code = 'NO_REGION'
  readonly exitCode = 64

  constructor(cause: unknown) {
    super(`no region (${messageOf(cause)}): give --region or AWS_REGION, or set one in the AWS profile`)
  }
}

/** Loading the SDK keeps the event loop busy for a tenth of a second. Who waited for the port is answered before, in these ms. */
const breath = 20

export const dynamodb =
  (options: DynamodbOptions): Subscriber =>
  (bus) => {
    const locate = bus.publisher(locateDynamodb)
    let place: { readonly elsewhere: DynamodbLocation | undefined } | undefined
    let table: Promise<DynamodbTable> | undefined

    // Loaded when it is first needed: the port need not wait for the SDK.
    const open = async (elsewhere: DynamodbLocation | undefined) => {
      const { DynamodbTable } = await import('./table.ts')
      return new DynamodbTable(bus, options, elsewhere)
    }
    const openSoon = async (elsewhere: DynamodbLocation | undefined) => {
      await setTimeout(breath)
      return open(elsewhere)
    }

    bus.subscribe(lifecycle.start, async () => {
      const [elsewhere] = await locate()
      place = { elsewhere }
      if (elsewhere || options.region || options.awsRegion) return
      // It may be in a file, where only the SDK knows to look.
      table = open(elsewhere)
      await (await table).region().catch((error) => {
        throw new NoRegion(error)
      })
    })

    bus.subscribe(lifecycle.stop, () => {
      table?.then((opened) => opened.close()).catch(() => {}) // what fails to load has failed who asked
      place = undefined
      table = undefined
    })

    bus.provide(fetchSecret, async ({ codeName }, { id, signal }) => {
      if (!place) throw new SourceFailure('SOURCE_STARTING', 'the DynamoDB source has not started')
      table ??= openSoon(place.elsewhere)
      return (await table).read(codeName, id, signal)
    })
  }
