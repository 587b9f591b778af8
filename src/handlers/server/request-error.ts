/** An error that a handler reports to the client. */
import { inspect } from 'node:util'

/** A request that the handler refuses or cannot answer. The message is sent to the client. */
export class RequestError extends Error {
  readonly statusCode: number
  readonly expose = true

  /**
   * @param statusCode between 400 and 599
   * @throws RangeError if the status is not one of an error
   */
  constructor(statusCode: number, message: string, options?: ErrorOptions) {
    if (!(Number.isInteger(statusCode) && statusCode >= 400 && statusCode <= 599))
      throw new RangeError(`statusCode must be a whole number from 400 to 599, received ${inspect(statusCode)}`)
    super(message, options)
    this.statusCode = statusCode
  }
}
