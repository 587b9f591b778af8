/**
 * The SDK fails to parse a truncated response unless it is empty. It reads an empty one as `{}`, which is DynamoDB's
 * response for a missing item.
 */
import { buffer } from 'node:stream/consumers'
import type { GetItemCommand } from '@aws-sdk/client-dynamodb'
import { HttpResponse } from '@smithy/core/transport'
import { invalidResponse } from './failures.ts'

/** Makes the command fail with `SOURCE_UNAVAILABLE` if the response is empty. */
export function refuseEmptyReplies(command: GetItemCommand): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const { response } = result
      if (HttpResponse.isInstance(response) && response.statusCode === 200) {
        response.body = await buffer(response.body)
        if (response.body.length === 0) throw invalidResponse()
      }
      return result
    },
    // Runs before the deserializer, which has a higher priority in this step.
    { step: 'deserialize', priority: 'low' },
  )
}
