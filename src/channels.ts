/** Every channel of the service. Those of the process itself are in `bus/lifecycle.ts`. */
import type { FastifyInstance } from 'fastify'
import { event, request } from './bus/channel.ts'
import type { Secret, SecretQuery, Sensitive, StoredSecret } from './secret.ts'

/** What this service is, for people who find it running. */
export interface Identity {
  /** Link to, or name of, the image it runs from. */
  readonly container: string
  /** Link to the repository. */
  readonly project: string
}

/** What one subscriber says of its health, after draft-inadarei-api-health-check-06. */
export interface HealthCheck {
  /** What was looked at. */
  readonly name: string
  /** `warn` is worth a look; `fail` means that no traffic should come. */
  readonly status: 'pass' | 'warn' | 'fail'
  /** Why it is not `pass`. Anybody may read it. */
  readonly output?: string
}

/** Who asked for which secret, and what became of it. */
export interface SecretAccess {
  /** The request id. */
  readonly reqId: string
  /** The client's address. */
  readonly client: string | undefined
  readonly codeName: string
  /** The HTTP status; 499, which is never sent, for a client that did not wait. */
  readonly status: number
  /** How it was answered: the `Cache-Status` of the reply. */
  readonly cache: string | undefined
  /** Why it was not; absent where it was answered. */
  readonly reason: string | undefined
}

/** A server that has begun to listen. */
export interface ListeningServer {
  /** Its origin, such as `http://127.0.0.1:5000`. */
  readonly address: string
}

/** Where a DynamoDB is, and as whom to ask it. */
export interface DynamodbLocation {
  readonly endpoint: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

/** What one subscriber counts or measures. Names and labels as in https://prometheus.io/docs/practices/naming/. */
export type Metric = Numbers | Distribution

interface Described {
  readonly name: string
  readonly help: string
}

/** Nothing that a client makes up may be a label. */
interface Labelled {
  readonly labels?: Readonly<Record<string, string>>
}

export interface Numbers extends Described {
  /** A counter only ever grows while the process lives; a gauge is what it is now. */
  readonly type: 'counter' | 'gauge'
  /** One for each set of labels. */
  readonly values: readonly (Labelled & { readonly value: number })[]
}

/** How many values there were, by how large they were. */
export interface Distribution extends Described {
  readonly type: 'histogram'
  /** One for each set of labels. */
  readonly values: readonly (Labelled & {
    /** How many were this large at most, in ascending order. */
    readonly buckets: readonly { readonly atMost: number; readonly count: number }[]
    readonly sum: number
    readonly count: number
  })[]
}

/** A secret, for whoever may have it. Routes ask, the cache answers. */
export const getSecret = request<SecretQuery, Secret>('secret.get')

/** A secret, read from where it is kept. The cache asks, the source answers. */
export const fetchSecret = request<SecretQuery, StoredSecret>('secret.fetch', { timeout: 5_000 })

/** Which container and project this is. The health route asks once, at start. */
export const getIdentity = request<void, Identity>('identity.get')

/** May traffic come? The readiness route asks whoever has something to say. */
export const checkHealth = event<void, HealthCheck>('health.check', { concurrent: true })

/** What has been counted? The metrics route asks, each time it is asked itself, whoever has counted something. */
export const collectMetrics = event<void, Metric[]>('metrics.collect', { concurrent: true })

/** Does the token give access? The authentication asks for each request, whoever holds the tokens answers. */
export const checkToken = request<{ readonly token: Sensitive }, boolean>('token.check')

/** The HTTP server starts: add your routes. It listens once all have. */
export const httpRoutes = event<FastifyInstance>('http.routes')

/** The HTTP server has begun to listen. */
export const httpListening = event<ListeningServer>('http.listening')

/** Somebody asked for a secret, and has the answer. The routes tell whoever keeps the audit trail. */
export const secretAccessed = event<SecretAccess>('secret.accessed')

/** The DynamoDB source starts: who knows of another DynamoDB than the one of the options? The first answer counts. */
export const locateDynamodb = event<void, DynamodbLocation>('dynamodb.locate')
