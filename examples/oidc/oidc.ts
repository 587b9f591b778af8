/** Identifies clients by the JSON Web Tokens of an issuer of OpenID Connect. */
import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWSHeaderParameters,
  type JWTPayload,
  jwtVerify,
} from 'jose'
import {
  backgroundLoop,
  type Client,
  codeNameMatcher,
  declaredRights,
  messageOf,
  type OptionRecord,
  type Plugin,
  type Right,
  upstream,
} from 'secret-bus'

/** Keys that come over plain HTTP could be those of an attacker. */
const jwksUrl = {
  parse(text: string) {
    const url = URL.parse(text)
    const isLocal = url?.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)
    return url && (isLocal || url.protocol === 'https:') ? url : undefined
  },
  allowed: 'a URL with the scheme https:// (http:// on this host)',
}

export const options = {
  issuer: { type: 'text', describe: 'issuer of the tokens, exactly as in their claim iss' },
  audience: { type: 'text', describe: 'audience of the tokens, in their claim aud' },
  jwksUrl: { type: jwksUrl, describe: 'URL of the keys of the issuer (JWKS)' },
  clients: { type: 'file', describe: 'file that maps claims to clients' },
  maxStale: { type: 'lifetime', default: '1h', describe: 'time to use the keys while they cannot be fetched' },
} as const satisfies OptionRecord

/** Asymmetric ones only: with the others, a public key would be a secret that everyone knows. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
/** Tolerated difference between the clocks of the issuer and this host, in seconds. */
const clockTolerance = 5
/** Time after which the keys are fetched again, in milliseconds. */
const refreshInterval = 5 * 60_000
/** Minimum time between two fetches that requests cause, in milliseconds. */
const cooldown = 10_000
/** Time limit of a fetch in milliseconds. It is less than that of `client.identify`. */
const fetchTimeout = 3_000

/** The keys of the issuer are unknown, or too old. The token may be valid. */
class KeysUnavailable extends Error {
  readonly code = 'OIDC_KEYS_UNAVAILABLE'
  readonly retryAfter = cooldown

  constructor(cause: unknown) {
    super(`Failed to fetch the keys of the issuer: ${messageOf(cause)}`, { cause })
  }
}

type Claims = readonly (readonly [name: string, value: unknown])[]

interface MappedClient {
  readonly client: Client
  readonly claims: Claims
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string' && item !== '')

const isScalar = (value: unknown) => ['string', 'number', 'boolean'].includes(typeof value)
const hasOnly = (value: object, members: readonly string[]) =>
  Object.keys(value).every((member) => members.includes(member))

/**
 * Reads the mapping: `{ "clients": [{ "name", "claims": { "<claim>": "<value>" }, "secrets": [], "may": [] }] }`.
 * @throws Error with the path of the invalid member
 */
function readMapping(text: string, rights: ReadonlySet<string>): MappedClient[] {
  const document = parse(text)
  const entries = isRecord(document) && hasOnly(document, ['clients']) ? document['clients'] : undefined
  if (!Array.isArray(entries) || entries.length === 0)
    throw new Error('the document must be an object with only the member clients, a list of at least one client')
  const mapping = entries.map((entry: unknown, index) => readClient(entry, `clients[${index}]`, rights))
  const names = mapping.map(({ client }) => client.name)
  const duplicate = names.find((name, index) => names.indexOf(name) !== index)
  if (duplicate !== undefined) throw new Error(`the names of clients must be unique, received ${duplicate} twice`)
  return mapping
}

function readClient(entry: unknown, path: string, rights: ReadonlySet<string>): MappedClient {
  if (!isRecord(entry) || !hasOnly(entry, ['name', 'claims', 'secrets', 'may']))
    throw new Error(`${path} must be an object with no members other than name, claims, secrets, may`)
  const { name, claims, secrets, may = ['secrets'] } = entry
  if (typeof name !== 'string' || !/^(?!other$)[\w.:@/-]{1,100}$/.test(name))
    throw new Error(`${path}.name must be 1 to 100 letters, digits and _ . : @ / -, but not other`)
  // A client without claims would match each token of the issuer.
  if (!isRecord(claims) || Object.keys(claims).length === 0 || !Object.values(claims).every(isScalar))
    throw new Error(`${path}.claims must be an object with at least one claim: a text, a number or a boolean`)
  if (secrets !== undefined && !isList(secrets))
    throw new Error(`${path}.secrets must be a list of at least one code name`)
  if (!isList(may) || !may.every((right) => rights.has(right)))
    throw new Error(`${path}.may must be a list of at least one of ${[...rights].join(', ')}`)
  const client = { name, may: new Set(may as Right[]), mayRead: codeNameMatcher(secrets ?? []) } // checked above
  return { client, claims: Object.entries(claims) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the caller rejects it
  }
}

/** Whether the token has all the claims. One that is a list, such as `groups`, must contain the value. */
function hasClaims(payload: JWTPayload, claims: Claims): boolean {
  return claims.every(([name, value]) => Object.hasOwn(payload, name) && [payload[name]].flat().includes(value))
}

type KeySet = ReturnType<typeof createLocalJWKSet>

/** The keys at the URL. They stay in use for up to `maxStale` milliseconds while they cannot be fetched. */
function issuerKeys(url: URL, maxStale: number) {
  const server = upstream({ origin: url.origin, timeout: fetchTimeout })
  let inUse: KeySet | undefined
  let latest: Promise<KeySet> | undefined
  let hasFailed = false
  /** On the clock of `performance.now()`. */
  const last = { attempt: -Infinity, success: -Infinity }
  const isOlderThan = (time: number, ms: number) => performance.now() - time >= ms

  const fetchKeys = async () => {
    last.attempt = performance.now()
    try {
      const { body } = await server.request(url.pathname, { query: Object.fromEntries(url.searchParams) })
      inUse = createLocalJWKSet(body as JSONWebKeySet) // validates it
      last.success = performance.now()
      hasFailed = false
      return inUse
    } catch (cause) {
      hasFailed = true
      throw new KeysUnavailable(cause)
    }
  }
  /** Fetches them, or returns the outcome of the last fetch if that began less than `cooldown` ago. */
  const refreshed = () => {
    if (!latest || isOlderThan(last.attempt, cooldown)) latest = fetchKeys()
    return latest
  }

  return {
    /** Finds the key of a token. @throws KeysUnavailable; JOSEError if the issuer has no such key */
    async find(header: JWSHeaderParameters) {
      const keys = inUse && !isOlderThan(last.success, refreshInterval + maxStale) ? inUse : await refreshed()
      try {
        return await keys(header)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
        return (await refreshed())(header) // the key may be new
      }
    },
    async refresh() {
      if (isOlderThan(last.success, refreshInterval)) await refreshed()
    },
    get areUpToDate() {
      return inUse !== undefined && !hasFailed
    },
    close: () => server.close(),
  }
}

const oidc: Plugin<typeof options> = ({ channels, lifecycle, own }) => {
  const { issuer, audience, jwksUrl: url, clients: file, maxStale } = own
  if (!issuer || !audience || !url || !file)
    throw new Error('--oidc-issuer, --oidc-audience, --oidc-jwks-url and --oidc-clients must be set')

  return (bus) => {
    const keys = issuerKeys(url, maxStale)
    let mapping: readonly MappedClient[] = []

    bus.provide(channels.identifyClient, async ({ token }, { id }) => {
      if (!token) return undefined
      const refuse = (reason: string | undefined, claim?: unknown) =>
        void bus.log('debug', 'Refused a token', { reqId: id, reason, claim })
      try {
        const verified = { algorithms, issuer, audience, clockTolerance, requiredClaims: ['exp'] }
        const { payload } = await jwtVerify(token.reveal(), keys.find, verified)
        const mapped = mapping.find(({ claims }) => hasClaims(payload, claims))
        if (!mapped) return refuse('NO_CLIENT_WITH_THESE_CLAIMS')
        return { ...mapped.client, token: hash('sha256', token.reveal()).slice(0, 8) }
      } catch (error) {
        if (!(error instanceof errors.JOSEError)) throw error
        // Neither the message nor the error, which quote parts of the token.
        return refuse(error.code, 'claim' in error ? error.claim : undefined)
      }
    })

    bus.publisher(channels.declareRights)
    const load = async () => {
      const rights = await declaredRights(bus)
      try {
        mapping = readMapping(await readFile(file, 'utf8'), rights)
      } catch (error) {
        throw new Error(`--oidc-clients ${file}: ${messageOf(error)}`)
      }
      return { clients: mapping.length }
    }
    bus.subscribe(lifecycle.start, async () => void (await load()))
    bus.subscribe(lifecycle.graceful, load)
    bus.subscribe(lifecycle.exit, () => keys.close())

    // Logs an outage and its end. The pauses grow during an outage.
    backgroundLoop(bus, keys.refresh, { every: 1_000, name: 'refresh of the keys of the issuer' })

    bus.subscribe(channels.declareProblems, () => ({
      OIDC_KEYS_UNAVAILABLE: {
        status: 503,
        title: 'Keys unavailable',
        detail: 'The keys that verify the token are not available.',
        retryAfter: true,
      },
    }))
    bus.subscribe(channels.checkHealth, () =>
      keys.areUpToDate
        ? { name: 'oidc', status: 'pass' }
        : { name: 'oidc', status: 'warn', output: 'the keys of the issuer cannot be fetched' },
    )
  }
}

export default oidc
