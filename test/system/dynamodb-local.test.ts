/** The tests of the source against Amazon's emulator, because dynalite is another implementation. */
import { beforeAll, describe } from 'vitest'
import { type DynamodbLocal, javaInstalled, startDynamodbLocal } from '../support/dynamodb/dynamodb-local.ts'
import { describeReading, useCredentials } from '../support/dynamodb/source.ts'

if (!javaInstalled) process.stdout.write('Java 17 is not available: skipping the tests with DynamoDB Local.\n')

describe.runIf(javaInstalled)('with DynamoDB Local', () => {
  let local: DynamodbLocal

  useCredentials()

  beforeAll(async () => {
    local = await startDynamodbLocal()
    return local.stop
  })

  describeReading((options) => local.reset(options))
})
