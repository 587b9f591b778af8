/** The rights that routes may need: those of the service itself, and those that subscribers declare. */
import type { ProcessBus } from './bus/process/process-bus.ts'
import { namePattern } from './bus/process/service-info.ts'
import { declareRights } from './channels.ts'
import type { Right } from './client.ts'
import { ExitError } from './errors.ts'

/** A declared right is invalid, or a route needs a right that no subscriber declares. */
export class InvalidRight extends ExitError {
  override readonly name = 'InvalidRight'
  readonly code = 'INVALID_RIGHT'
  /** `EX_CONFIG` of sysexits.h. */
  readonly exitCode = 78
}

const core: readonly Right[] = ['secrets', 'metrics', 'reload', 'docs', 'inspector']

/**
 * Collects the rights that subscribers declare. All subscribers have been wired when the process starts.
 * @throws InvalidRight with the subscriber and the reason; the error of a listener that fails
 */
export async function declaredRights(bus: ProcessBus): Promise<ReadonlySet<Right>> {
  const rights = new Set<string>(core)
  for (const outcome of await bus.publishSettled(declareRights)) {
    if (outcome.status === 'rejected') throw outcome.reason
    const declared: unknown = outcome.value // a plugin may return anything
    if (!Array.isArray(declared)) throw new InvalidRight(`${outcome.handler} must declare rights as a list of names`)
    const invalid = declared.find((right) => typeof right !== 'string' || !namePattern.test(right))
    if (invalid !== undefined)
      throw new InvalidRight(
        `${outcome.handler} must declare rights in kebab case, received ${JSON.stringify(invalid)}`,
      )
    for (const right of declared) rights.add(right)
  }
  return rights as ReadonlySet<string> as ReadonlySet<Right> // plugins add the names to the type
}
