/**
 * Whatever a reply is cut down to, the SDK cannot read it, but for nothing at all: that it takes for `{}`, by which DynamoDB
 * says that there is no such item. Here it is told apart.
 */
import { buffer } from 'node:stream/consumers'
import type { GetItemCommand } from '@aws-sdk/client-dynamodb'
import { HttpResponse } from '@smithy/core/transport'
import { unreadableReply } from './failures.ts'

/** Has an empty reply fail as an unreadable one. */
export function refuseEmptyReplies(command: GetItemCommand): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const { response } = result
      if (HttpResponse.isInstance(response) && response.statusCode === 200) {
        response.body = await buffer(response.body)
        if (response.body.length === 0) throw unreadableReply()
      }
      return result
    },
    // Before the one that reads the reply, which has a higher priority in this step.
    { step: 'deserialize', priority: 'low' },
  )
}
