/**
 * Credentials are found by the SDK's default chain. Here it is said which of its providers had some, and a search that does
 * not end is begun again.
 */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { loadConfig } from '@smithy/core/config'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import { type Clock, systemClock } from '../clock.ts'

/** What the SDK notes on credentials (`$source`), and what it stands for. */
const providers: ReadonlyMap<string, string> = new Map([
  ['CREDENTIALS_CODE', 'the program'],
  ['CREDENTIALS_ENV_VARS', 'the environment'],
  ['CREDENTIALS_PROFILE', 'the shared files'],
  ['CREDENTIALS_STS_ASSUME_ROLE', 'an assumed role'],
  ['CREDENTIALS_STS_ASSUME_ROLE_WEB_ID', 'a web identity'],
  ['CREDENTIALS_PROCESS', 'a credential process'],
  ['CREDENTIALS_SSO', 'single sign-on'],
  ['CREDENTIALS_SSO_LEGACY', 'single sign-on'],
  ['CREDENTIALS_LOGIN', 'a login'],
  ['CREDENTIALS_HTTP', 'the metadata of the container'],
])

/** Whether the SDK has been told of the metadata of a container. It then asks these, and never those of an instance. */
const isInContainer = () =>
  loadConfig<boolean>({
    environmentVariableSelector: (variables) =>
      Boolean(variables['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'] || variables['AWS_CONTAINER_CREDENTIALS_FULL_URI']),
    configFileSelector: () => undefined,
    default: false,
  })()

/** How long the SDK may search, in milliseconds. When nobody can be reached it gives up after 8 s. */
const searchTimeout = 20_000

/** The SDK's own type lacks what it notes. */
type Credentials = { readonly accessKeyId: string; readonly $source?: object }

/**
 * Makes a function to call before each reading. It logs where the client's credentials are from, when they are first there
 * and when that changes.
 */
export function credentialsLog(bus: ProcessBus, clock: Clock = systemClock): (client: DynamoDBClient) => void {
  let last: string | undefined
  let searchingSince: number | undefined

  const tell = async (credentials: Credentials) => {
    const provider = await providerOf(credentials)
    if (provider === last) return
    last = provider
    bus.log('info', `Credentials are from ${provider}`, { accessKeyId: credentials.accessKeyId })
  }

  return ({ config }) => {
    if (searchingSince !== undefined && clock.now() - searchingSince > searchTimeout) {
      searchingSince = undefined
      startOver(config)
    }
    searchingSince ??= clock.now()
    // The SDK keeps them for as long as they are good. That there are none is told by what is asked with them.
    const told = config.credentials().then(tell, () => {})
    void told.then(() => {
      searchingSince = undefined
    })
  }
}

/** The SDK waits without end for a container that is silent, and whoever asks later waits with it. */
function startOver(config: DynamoDBClient['config']): void {
  // Taken for the default chain, a new one, as at first. The type is that of what the SDK makes of it.
  config.credentials = undefined as unknown as typeof config.credentials
}

async function providerOf({ $source = {} }: Credentials): Promise<string> {
  const notes = Object.keys($source)
  // Nothing is noted of an instance, nor of a container that answers only at the SDK's fifth and last try.
  if (notes.length === 0) return `the metadata of the ${(await isInContainer()) ? 'container' : 'instance'}`
  const known = notes.map((note) => providers.get(note)).find(Boolean)
  return known ?? notes.join(', ').toLowerCase()
}
