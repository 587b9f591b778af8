/** The SDK tries again by itself, and in silence. Here it is told. */
import type { GetItemCommand } from '@aws-sdk/client-dynamodb'

/** @param onRetry is handed what the last try failed with, and how many have failed, before it is tried again */
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
    // After the one that tries again, which has a higher priority in this step.
    { step: 'finalizeRequest', priority: 'low' },
  )
}
