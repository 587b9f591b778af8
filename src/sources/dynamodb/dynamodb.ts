/** Provides `secret.fetch` from a DynamoDB table. */
import { setTimeout } from 'node:timers/promises'
import type { SecureContext } from 'node:tls'
import { messageOf } from '../../bus/errors.ts'
import { lifecycle } from '../../bus/process/lifecycle.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { type DynamodbLocation, fetchSecret, locateDynamodb } from '../../channels.ts'
import { ExitError } from '../../errors.ts'
import { SourceFailure } from '../../secret.ts'
import { readCaBundle } from './ca-bundle.ts'
import type { DynamodbTable, TableOptions } from './table.ts'

export interface DynamodbOptions extends TableOptions {
  /** PEM file with certificate authorities to trust in addition to the default ones. */
  readonly caBundle?: string | undefined
}

/** No region is configured. Retrying cannot help, so the process exits with `EX_USAGE` of sysexits.h. */
class NoRegion extends ExitError {
  override readonly name = 'NoRegion'
  readonly code = 'NO_REGION'
  readonly exitCode = 64

  constructor(cause: unknown) {
    super(`No AWS region (${messageOf(cause)}): set --region or AWS_REGION, or a region in the AWS profile`)
  }
}

/** How to connect to DynamoDB, as determined at start. */
interface Started {
  readonly location: DynamodbLocation | undefined
  readonly trusted: SecureContext | undefined
}

/** Delay in milliseconds that lets waiting requests be served before the SDK blocks the event loop for about 100 ms. */
const loadDelay = 20

export const dynamodb =
  (options: DynamodbOptions): Subscriber =>
  (bus) => {
    const locate = bus.publisher(locateDynamodb)
    let started: Started | undefined
    let table: Promise<DynamodbTable> | undefined

    // Loads the SDK on first use, so that the HTTP port opens sooner.
    const open = async ({ location, trusted }: Started) => {
      const { DynamodbTable } = await import('./table.ts')
      return new DynamodbTable(bus, options, location, trusted)
    }
    const openDelayed = async (to: Started) => {
      await setTimeout(loadDelay)
      return open(to)
    }
    /** Opens the table once. After a failure, such as that of an import, the next read tries again. */
    const opened = (to: Started): Promise<DynamodbTable> => {
      if (table) return table
      const opening = openDelayed(to).catch((cause) => {
        if (table === opening) table = undefined
        throw new SourceFailure('SOURCE_UNAVAILABLE', `Failed to load the DynamoDB client: ${messageOf(cause)}`, {
          cause,
        })
      })
      table = opening
      return opening
    }

    bus.subscribe(lifecycle.start, async () => {
      const [location] = await locate()
      const trusted = location || !options.caBundle ? undefined : await readCaBundle(options.caBundle)
      started = { location, trusted }
      if (location || options.region) return
      // The region may be in the AWS configuration files, which the SDK reads.
      table = open(started)
      await (await table).region().catch((error) => {
        throw new NoRegion(error)
      })
    })

    // Before the cache reloads, so that its reads are signed with renewed credentials.
    const renewCredentials = async () => {
      await (await table?.catch(() => undefined))?.renewCredentials()
    }
    // The response of a reload contains the name, which must not reveal the kind of the source.
    bus.subscribe(lifecycle.graceful, renewCredentials, { name: 'credentials' })

    bus.subscribe(lifecycle.stop, () => {
      table?.then((opened) => opened.close()).catch(() => {}) // the failure has already rejected the read
      started = undefined
      table = undefined
    })

    bus.provide(fetchSecret, async ({ codeName }, call) => {
      if (!started) throw new SourceFailure('SOURCE_STARTING', 'The DynamoDB source has not started')
      return (await opened(started)).read(codeName, call)
    })
  }
