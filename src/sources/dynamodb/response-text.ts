/** Keeps the text of a response, because the SDK parses an empty one, and JSON of another shape, as `{}`. */
import { text } from 'node:stream/consumers'
import type { GetItemCommand } from '@aws-sdk/client-dynamodb'
import { HttpResponse } from '@smithy/core/transport'

/** @returns a function that returns the text of the command's last successful response */
export function keepResponseText(command: GetItemCommand): () => string {
  let kept = ''
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const { response } = result
      if (HttpResponse.isInstance(response) && response.statusCode === 200) {
        kept = await text(response.body)
        response.body = Buffer.from(kept)
      }
      return result
    },
    // Runs before the deserializer, which has a higher priority in this step.
    { step: 'deserialize', priority: 'low' },
  )
  return () => kept
}
