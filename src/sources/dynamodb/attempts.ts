/** Publishes each attempt of a read for tracing. */
import type { GetItemCommand } from '@aws-sdk/client-dynamodb'
import type { CallContext } from '../../bus/call.ts'
import { propertyOf } from '../../bus/thrown.ts'
import { type DynamodbAttempt, diagnostics } from '../../diagnostics.ts'

/** @param call the call that causes the read */
export function publishAttempts(command: GetItemCommand, table: string, call: CallContext): void {
  if (!diagnostics.dynamodbAttempt.isWatched) return
  let attempts = 0
  command.middlewareStack.add(
    (next) => async (args) => {
      attempts += 1
      const attempt: DynamodbAttempt = { operation: 'GetItem', table, call, attempt: attempts, ...serverOf(args) }
      diagnostics.dynamodbAttempt.start(attempt)
      try {
        const result = await next(args)
        end(attempt, result.output)
        return result
      } catch (error) {
        end(attempt, error, error)
        throw error
      }
    },
    // Runs within the retry middleware, which has a higher priority in this step.
    { step: 'finalizeRequest', priority: 'low' },
  )
}

function serverOf({ request }: { readonly request: unknown }): Pick<DynamodbAttempt, 'host' | 'port'> {
  const host = propertyOf(request, 'hostname')
  const port = propertyOf(request, 'port')
  return { host: typeof host === 'string' ? host : undefined, port: typeof port === 'number' ? port : undefined }
}

/** @param outcome the output or the error, which both have the metadata of the response */
function end(attempt: DynamodbAttempt, outcome: unknown, error?: unknown): void {
  const metadata = propertyOf(outcome, '$metadata')
  const status = propertyOf(metadata, 'httpStatusCode')
  const requestId = propertyOf(metadata, 'requestId')
  if (typeof status === 'number') attempt.status = status
  if (typeof requestId === 'string') attempt.requestId = requestId
  diagnostics.dynamodbAttempt.end(attempt, error)
}
