/** Reads the proxy for calls to AWS from the variables that curl and other programs use. */
import { UsageError } from '../../errors.ts'
import { Sensitive } from '../../secret.ts'

export interface AwsProxy {
  /** The URL of the proxy for `http://`, which may contain a password; for `https://`, too, if `https` is not set. */
  readonly http: Sensitive | undefined
  /** The URL of the proxy for `https://` URLs. */
  readonly https: Sensitive | undefined
  /** Hosts that are reached without the proxy, separated by commas. */
  readonly except: string
}

/**
 * Lower case takes precedence. An empty variable counts as unset.
 * @returns `undefined` if no proxy is configured
 * @throws UsageError without the URL, which may contain a password
 */
export function proxyOf(environment: NodeJS.ProcessEnv): AwsProxy | undefined {
  const [http, https] = [urlOf(environment, 'HTTP_PROXY'), urlOf(environment, 'HTTPS_PROXY')]
  if (!http && !https) return undefined
  return { http, https, except: (read(environment, 'NO_PROXY') ?? { text: '' }).text }
}

function urlOf(environment: NodeJS.ProcessEnv, variable: string): Sensitive | undefined {
  const value = read(environment, variable)
  if (!value) return undefined
  // `proxy.example:3128` is common too.
  const url = value.text.includes('://') ? value.text : `http://${value.text}`
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return new Sensitive(url)
  throw new UsageError(`${value.name} must be a URL with the scheme http:// or https://`)
}

function read(environment: NodeJS.ProcessEnv, variable: string) {
  for (const name of [variable.toLowerCase(), variable]) {
    const text = environment[name]
    if (text) return { name, text }
  }
  return undefined
}
