/** The providers of the SDK's default chain, as a list, because the chain does not report why each of them failed. */
import type { fromIni } from '@aws-sdk/credential-provider-ini'
import { CredentialsProviderError, loadConfig } from '@smithy/core/config'
import { messageOf } from '../../../bus/errors.ts'

type SdkProvider = ReturnType<typeof fromIni>

/** The SDK's own type lacks `$source`. */
export type Credentials = Awaited<ReturnType<SdkProvider>> & { readonly $source?: object }

/** The client that needs the credentials. */
export type Caller = NonNullable<Parameters<SdkProvider>[0]>

export interface CredentialProvider {
  /** For the log: "credentials from the environment". */
  readonly name: string
  readonly load: (caller: Caller) => Promise<SdkProvider>
}

const environment: CredentialProvider = {
  name: 'the environment',
  load: async () => (await import('@aws-sdk/credential-provider-env')).fromEnv(),
}

const sharedFiles: CredentialProvider = {
  name: 'the shared files',
  // The SDK would keep the content of the files for as long as the process runs.
  load: async (caller) =>
    (await import('@aws-sdk/credential-provider-ini')).fromIni({ ...parent(caller), ignoreCache: true }),
}

const webIdentity: CredentialProvider = {
  name: 'a web identity',
  load: async (caller) => (await import('@aws-sdk/credential-provider-web-identity')).fromTokenFile(parent(caller)),
}

const container: CredentialProvider = {
  name: 'the container metadata',
  load: async () => (await import('@aws-sdk/credential-provider-http')).fromHttp(),
}

const instance: CredentialProvider = {
  name: 'the instance metadata',
  load: async () => (await import('@smithy/credential-provider-imds')).fromInstanceMetadata(),
}

/** The clients of STS and single sign-on inherit the settings of the client that needs the credentials. */
function parent({ callerClientConfig }: Caller) {
  return { ...(callerClientConfig && { parentClientConfig: callerClientConfig }) }
}

/** A provider that is not tried, for a reason that is logged if no credentials are found. */
const skipped = ({ name }: CredentialProvider, reason: string): CredentialProvider => ({
  name,
  load: () => Promise.reject(new CredentialsProviderError(reason)),
})

/**
 * Returns the providers in the order of the SDK's default chain.
 * https://docs.aws.amazon.com/sdk-for-javascript/v3/developer-guide/setting-credentials-node.html
 */
export async function credentialProviders(): Promise<CredentialProvider[]> {
  const { hasProfile, inContainer, instanceDisabled } = await settings()
  const instanceMetadata = instanceDisabled ? skipped(instance, 'disabled by AWS_EC2_METADATA_DISABLED') : instance
  return [
    hasProfile ? skipped(environment, 'ignored because AWS_PROFILE is set') : environment,
    sharedFiles,
    webIdentity,
    inContainer ? container : instanceMetadata,
  ]
}

/** Reads the variables that select the providers, through the SDK. */
function settings() {
  const none = { hasProfile: false, inContainer: false, instanceDisabled: false }
  return loadConfig({
    environmentVariableSelector: (variables): typeof none => ({
      hasProfile: Boolean(variables['AWS_PROFILE']),
      inContainer: Boolean(
        variables['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'] || variables['AWS_CONTAINER_CREDENTIALS_FULL_URI'],
      ),
      instanceDisabled: !['', 'false'].includes(variables['AWS_EC2_METADATA_DISABLED'] ?? ''),
    }),
    configFileSelector: () => undefined,
    default: none,
  })()
}

/** Names of errors that add nothing to their messages. */
const genericNames: ReadonlySet<string> = new Set([
  'Error',
  'CredentialsProviderError',
  'ProviderError',
  'TokenProviderError',
])

/** Describes why a provider failed, without quoting a response or a document. */
export function failureOf(error: Error & { readonly statusCode?: number }): string {
  const { name, statusCode } = error
  // A parse error quotes the text. Of the errors with a response, only those with `$fault` are sent by AWS.
  if (error instanceof SyntaxError || ('$response' in error && !('$fault' in error))) return 'invalid response'
  const [message = ''] = messageOf(error).split('\n', 1)
  const status = statusCode === undefined ? '' : ` (HTTP ${statusCode})`
  return `${genericNames.has(name) ? '' : `${name}: `}${message.replace(/\.$/, '')}${status}`
}
