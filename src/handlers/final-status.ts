import type { ServerResponse } from 'node:http'

/** The status that stands for a client that did not wait for its answer. nginx logs it so; it is never sent. */
const clientClosedRequest = 499

/** What has become of a request whose reply is through, or cannot be sent any more. */
export function finalStatus({ writableFinished, statusCode }: ServerResponse): number {
  return writableFinished ? statusCode : clientClosedRequest
}
