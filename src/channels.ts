/** The channels of the service. Those of the process lifecycle are in `bus/process/lifecycle.ts`. */
import type { FastifyInstance } from 'fastify'
import { event, request } from './bus/channel.ts'
import type { Client, Credentials, Right } from './client.ts'
import type { Secret, SecretKey, SecretQuery, StoredSecret } from './secret.ts'

/** Identifies a running instance to operators. */
export interface Identity {
  /** Link to the container image, or its name. */
  readonly container?: string | undefined
  /** Link to the repository. */
  readonly project?: string | undefined
}

/** The health of one component, after draft-inadarei-api-health-check-06. */
export interface HealthCheck {
  /** The component. */
  readonly name: string
  /** `warn`: degraded, but ready for traffic; `fail`: not ready. */
  readonly status: 'pass' | 'warn' | 'fail'
  /** Why the status is not `pass`. Publicly visible. */
  readonly output?: string
}

/** One request for a secret and its outcome. */
export interface SecretAccess {
  /** The request id. */
  readonly reqId: string
  /** The name of the client, if it is known. */
  readonly client: string | undefined
  /** The address of the client, in canonical form. */
  readonly address: string | undefined
  /** The first 8 hexadecimal digits of the hash of the token that matched. */
  readonly token: string | undefined
  readonly codeName: string
  /** The HTTP status; 499, which is never sent, if the client closed the connection first. */
  readonly status: number
  /** The `Cache-Status` of the response. */
  readonly cache: string | undefined
  /** Why the request failed; undefined if it succeeded. */
  readonly reason: string | undefined
}

/** A server that is listening. */
export interface ListeningServer {
  /** The origin, such as `http://127.0.0.1:5000`. */
  readonly address: string
}

/** How to reach a DynamoDB endpoint. */
export interface DynamodbLocation {
  readonly endpoint: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

/** A metric. Names and labels follow https://prometheus.io/docs/practices/naming/. */
export type Metric = Numbers | Distribution

interface MetricInfo {
  readonly name: string
  readonly help: string
}

/** Label values must not come from clients, which could then create any number of time series. */
interface WithLabels {
  readonly labels?: Readonly<Record<string, string>>
}

export interface Numbers extends MetricInfo {
  /** A counter only grows during the life of the process; a gauge is a current value. */
  readonly type: 'counter' | 'gauge'
  /** One per set of labels. */
  readonly values: readonly (WithLabels & { readonly value: number })[]
}

/** A histogram. */
export interface Distribution extends MetricInfo {
  readonly type: 'histogram'
  /** One per set of labels. */
  readonly values: readonly (WithLabels & {
    /** Cumulative counts by upper bound, in ascending order. */
    readonly buckets: readonly { readonly atMost: number; readonly count: number }[]
    readonly sum: number
    readonly count: number
  })[]
}

/** A problem type: what a client receives for an error with a certain `code` (RFC 9457). */
export interface ProblemDeclaration {
  /** The HTTP status, from 400 to 599. */
  readonly status: number
  readonly title: string
  /** Sent to the client, instead of the message of the error. */
  readonly detail: string
  /** The last part of `type`; by default the code in lower case with dashes. */
  readonly slug?: string
  /** Whether the reply may have `Retry-After`, from the `retryAfter` of the error in milliseconds. */
  readonly retryAfter?: boolean
  /** JSON schemas of additional members by name. Their values are the properties of the error with these names. */
  readonly members?: Readonly<Record<string, object>>
}

/** Time after which a listener that delays the start is named in the log, in milliseconds. */
const warnAfter = 10_000

/** Returns a secret. Requested by the HTTP routes, provided by the cache. */
export const getSecret = request<SecretQuery, Secret>('secret.get')

/** Reads a secret from the source. Requested by the cache, provided by the source. */
export const fetchSecret = request<SecretKey, StoredSecret>('secret.fetch', { timeout: 5_000 })

/** Returns the container and project of this instance. Requested by the health route, once at start. */
export const getIdentity = request<void, Identity>('identity.get')

/** Published when readiness is checked and when metrics are scraped. Listeners return the health of their component. */
export const checkHealth = event<void, HealthCheck>('health.check', { concurrent: true })

/** Published when metrics are scraped. Listeners return their current metrics. */
export const collectMetrics = event<void, Metric[]>('metrics.collect', { concurrent: true })

/**
 * Returns the client with these credentials, if there is one. Requested by the authentication guard for each HTTP
 * request.
 */
export const identifyClient = request<Credentials, Client | undefined>('client.identify', { timeout: 5_000 })

/** Published when the process starts. Listeners return the names of the rights that their routes need. */
export const declareRights = event<void, readonly Right[]>('rights.declare', { warnAfter })

/** Published once when the HTTP server starts, before `http.routes`. Listeners return problem types by error code. */
export const declareProblems = event<void, Readonly<Record<string, ProblemDeclaration>>>('problems.declare', {
  warnAfter,
})

/** Published when the HTTP server starts, before it listens. Listeners register their routes. */
export const httpRoutes = event<FastifyInstance>('http.routes', { warnAfter })

/** Published when the HTTP server has begun to listen. */
export const httpListening = event<ListeningServer>('http.listening', { warnAfter })

/** Published after a request for a secret has been answered, successfully or not. */
export const secretAccessed = event<SecretAccess>('secret.accessed')

/** Published when the DynamoDB source starts. Listeners may return a location to use instead of the configured one. */
export const locateDynamodb = event<void, DynamodbLocation>('dynamodb.locate', { warnAfter })
