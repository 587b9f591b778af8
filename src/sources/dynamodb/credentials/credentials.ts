/** Finds the credentials like the SDK's default chain, and reports their source, slow searches and failures. */
import { CredentialsProviderError } from '@smithy/core/config'
import { messageOf } from '../../../bus/errors.ts'
import type { ProcessBus } from '../../../bus/process/process-bus.ts'
import { singleFlight } from '../../../bus/process/single-flight.ts'
import { SourceFailure } from '../../../secret.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { withCredentialProcesses } from './credential-process.ts'
import {
  type Caller,
  type CredentialProvider,
  type Credentials,
  credentialProviders,
  failureOf,
} from './credential-providers.ts'

/** Kinds of credentials in the shared files, by the marks in `$source`, which the SDK sets. */
const kinds: readonly [mark: string, kind: string][] = [
  ['CREDENTIALS_STS_ASSUME_ROLE', 'an assumed role'],
  ['CREDENTIALS_STS_ASSUME_ROLE_WEB_ID', 'a web identity'],
  ['CREDENTIALS_PROCESS', 'a credential process'],
  ['CREDENTIALS_SSO', 'single sign-on'],
  ['CREDENTIALS_SSO_LEGACY', 'single sign-on'],
  ['CREDENTIALS_LOGIN', 'a console login'],
]

/** Time after which the provider that a search waits for is logged, in milliseconds. */
const slowAfter = 5_000

/** Time limit of a search, in milliseconds. The SDK waits forever for a container endpoint that does not respond. */
const searchTimeout = 20_000

/** Credentials that are valid for less than this time are renewed in the background, in milliseconds, as by the SDK. */
const renewBefore = 300_000

interface Request extends Caller {
  /** Searches again, even if the credentials are valid. If nothing is found, they stay in use. */
  readonly forceRefresh?: boolean
}

/**
 * Returns a provider for the configuration of a client. Concurrent calls share one search.
 * @param stopped ends searches when it aborts, with the processes that they have started
 */
export function credentials(bus: ProcessBus, stopped: AbortSignal, clock: Clock = systemClock) {
  let found: Credentials | undefined
  let lastKind: string | undefined

  const search = singleFlight(async (caller: Caller) => {
    const { identity, kind } = await find(caller, bus, stopped, clock)
    if (kind !== lastKind) bus.log('info', `Using credentials from ${kind}`, { accessKeyId: identity.accessKeyId })
    lastKind = kind
    found = identity
    return identity
  })

  const provide = async ({ forceRefresh = false, ...caller }: Request = {}) => {
    const lifetime = found ? (found.expiration?.getTime() ?? Infinity) - clock.now() : 0
    if (found && lifetime > renewBefore && !forceRefresh) return found
    if (forceRefresh) await search.idle() // it may have read the files before they changed
    const renewed = search(caller)
    if (!found || lifetime <= 0 || forceRefresh) return renewed
    renewed.catch(() => {}) // the credentials are still valid
    return found
  }
  // Prevents the SDK from caching the result again.
  return Object.assign(provide, { memoized: true })
}

/** @throws SourceFailure with the providers that were tried, and why each of them failed */
async function find(caller: Caller, bus: ProcessBus, stopped: AbortSignal, clock: Clock) {
  const ended = new AbortController()
  const signal = AbortSignal.any([stopped, ended.signal])
  const failures: string[] = []
  let trying: CredentialProvider | undefined
  let slow = false

  const tryAll = async () => {
    for (const provider of await credentialProviders()) {
      signal.throwIfAborted()
      trying = provider
      try {
        const identity: Credentials = await (await provider.load(caller))(caller)
        return { identity, kind: kindOf(identity) ?? provider.name }
      } catch (thrown) {
        const error = thrown as Error & { readonly tryNextLink?: boolean } // the SDK throws nothing else
        failures.push(`${provider.name}: ${failureOf(error)}`)
        if (!error.tryNextLink) break // as in the SDK's chain
      }
    }
    throw new CredentialsProviderError(failures.join('; '))
  }
  const warn = async () => {
    await clock.sleep(slowAfter, signal)
    slow = true
    bus.log('warn', `Still searching for AWS credentials, waiting for ${trying?.name}`)
  }
  const limit = async (): Promise<never> => {
    await clock.sleep(searchTimeout, signal)
    throw new CredentialsProviderError(
      [...failures, `${trying?.name}: no response within ${searchTimeout / 1_000} s`].join('; '),
    )
  }

  try {
    warn().catch(() => {}) // the search has ended
    return await Promise.race([withCredentialProcesses(signal, tryAll), limit()])
  } catch (cause) {
    const failure = new SourceFailure('SOURCE_UNAVAILABLE', `Failed to find AWS credentials: ${messageOf(cause)}`, {
      cause,
    })
    // The reads that waited for a slow search have ended, so they do not report the reason.
    if (slow && !stopped.aborted) bus.log('warn', failure.message)
    throw failure
  } finally {
    ended.abort()
  }
}

/** Returns the kind of credentials that the shared files configure, if they are not in the files themselves. */
export function kindOf({ $source = {} }: Credentials): string | undefined {
  return kinds.find(([mark]) => mark in $source)?.[1]
}
