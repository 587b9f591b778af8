/** Logs which provider of the SDK's default chain found the credentials, and restarts a search that does not end. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { loadConfig } from '@smithy/core/config'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import { type Clock, systemClock } from '../clock.ts'

/** Descriptions of the marks that the SDK sets on credentials (`$source`). */
const providers: ReadonlyMap<string, string> = new Map([
  ['CREDENTIALS_CODE', 'the client configuration'],
  ['CREDENTIALS_ENV_VARS', 'the environment'],
  ['CREDENTIALS_PROFILE', 'the shared files'],
  ['CREDENTIALS_STS_ASSUME_ROLE', 'an assumed role'],
  ['CREDENTIALS_STS_ASSUME_ROLE_WEB_ID', 'a web identity'],
  ['CREDENTIALS_PROCESS', 'a credential process'],
  ['CREDENTIALS_SSO', 'single sign-on'],
  ['CREDENTIALS_SSO_LEGACY', 'single sign-on'],
  ['CREDENTIALS_LOGIN', 'a console login'],
  ['CREDENTIALS_HTTP', 'the container metadata'],
])

/** Whether container metadata is configured. The SDK then uses it instead of instance metadata. */
const isInContainer = () =>
  loadConfig<boolean>({
    environmentVariableSelector: (variables) =>
      Boolean(variables['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'] || variables['AWS_CONTAINER_CREDENTIALS_FULL_URI']),
    configFileSelector: () => undefined,
    default: false,
  })()

/** Time limit of a search, in milliseconds. If no provider responds, the SDK itself gives up after 8 s. */
const searchTimeout = 20_000

/** The SDK's own type lacks `$source`. */
type Credentials = { readonly accessKeyId: string; readonly $source?: object }

/**
 * Returns a function to call before each read. It logs the provider of the client's credentials when they are first
 * available and when the provider changes.
 */
export function credentialsLog(bus: ProcessBus, clock: Clock = systemClock): (client: DynamoDBClient) => void {
  let lastProvider: string | undefined
  let searchingSince: number | undefined

  const log = async (credentials: Credentials) => {
    const provider = await providerOf(credentials)
    if (provider === lastProvider) return
    lastProvider = provider
    bus.log('info', `Using credentials from ${provider}`, { accessKeyId: credentials.accessKeyId })
  }

  return ({ config }) => {
    if (searchingSince !== undefined && clock.now() - searchingSince > searchTimeout) {
      searchingSince = undefined
      restartSearch(config)
    }
    searchingSince ??= clock.now()
    // The SDK caches valid credentials. If there are none, the read itself fails and is logged.
    const search = config.credentials().then(log, () => {})
    void search.then(() => {
      searchingSince = undefined
    })
  }
}

/** The SDK waits forever for a container endpoint that does not respond, and all later reads share that wait. */
function restartSearch(config: DynamoDBClient['config']): void {
  // The setter builds a new default chain from `undefined`. Its type is that of the getter, hence the cast.
  config.credentials = undefined as unknown as typeof config.credentials
}

async function providerOf({ $source = {} }: Credentials): Promise<string> {
  const marks = Object.keys($source)
  // The SDK does not mark credentials of an instance, nor of a container if they took all five attempts.
  if (marks.length === 0) return `the ${(await isInContainer()) ? 'container' : 'instance'} metadata`
  const known = marks.map((mark) => providers.get(mark)).find(Boolean)
  return known ?? marks.join(', ').toLowerCase()
}
