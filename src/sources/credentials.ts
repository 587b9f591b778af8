/** Credentials are found by the SDK's default chain. Here it is said which of its providers had some. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { ProcessBus } from '../bus/process-bus.ts'

/** What the SDK notes on credentials (`$source`), and what it stands for. */
const providers: ReadonlyMap<string, string> = new Map([
  ['CREDENTIALS_CODE', 'the program'],
  ['CREDENTIALS_ENV_VARS', 'the environment'],
  ['CREDENTIALS_PROFILE', 'the shared files'],
  ['CREDENTIALS_HTTP', 'the metadata of the container'],
])

/** The SDK's own type lacks what it notes. */
type Credentials = { readonly accessKeyId: string; readonly $source?: object }

/** Makes a function that logs where the client's credentials are from, when they are first there and when that changes. */
export function credentialsLog(bus: ProcessBus): (client: DynamoDBClient) => void {
  let last: string | undefined
  const tell = (credentials: Credentials) => {
    const provider = providerOf(credentials)
    if (provider === last) return
    last = provider
    bus.log('info', `Credentials are from ${provider}`, { accessKeyId: credentials.accessKeyId })
  }
  // The SDK keeps them for as long as they are good. That there are none is told by what is asked with them.
  return (client) => void client.config.credentials().then(tell, () => {})
}

function providerOf({ $source = {} }: Credentials): string {
  const notes = Object.keys($source)
  // The one provider that leaves no note, as a test holds.
  if (notes.length === 0) return 'the metadata of the instance'
  const known = notes.map((note) => providers.get(note)).find(Boolean)
  return known ?? notes.join(', ').toLowerCase()
}
