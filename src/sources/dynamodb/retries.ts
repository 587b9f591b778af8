/** Reports the retries of the SDK, which does not log them. */
import type { GetItemCommand } from '@aws-sdk/client-dynamodb'

/** @param onRetry called before each retry with the error of the last attempt and the number of failed attempts */
export function watchRetries(command: GetItemCommand, onRetry: (error: unknown, failed: number) => void): void {
  command.middlewareStack.add(
    (next) => {
      const failures: unknown[] = []
      return async (args) => {
        if (failures.length > 0) onRetry(failures.at(-1), failures.length)
        try {
          return await next(args)
        } catch (error) {
          failures.push(error)
          throw error
        }
      }
    },
    // Runs within the retry middleware, which has a higher priority in this step.
    { step: 'finalizeRequest', priority: 'low' },
  )
}
