/** Provides `client.identify`, from a list of tokens or a document of clients. */
import { lifecycle } from '../../bus/process/lifecycle.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import { checkHealth, collectMetrics, declareRights, type HealthCheck, identifyClient } from '../../channels.ts'
import { UsageError } from '../../errors.ts'
import { declaredRights } from '../../rights.ts'
import type { Sensitive } from '../../secret.ts'
import { type Clock, systemClock } from '../clock.ts'
import { clientMetrics } from './client-metrics.ts'
import { loadFromOption } from './from-option.ts'
import { loadFromSecret } from './from-secret.ts'
import { type ClientEntry, KnownClients } from './known-clients.ts'
import { Staleness } from './staleness.ts'
import { tokenClients } from './token-list.ts'

/** The source of the clients: exactly one of the first five members. */
export interface ClientsOptions {
  /** Path of a file with one bearer token per line. */
  readonly authTokenFile?: string | undefined
  /** The same, if not in a file. */
  readonly authToken?: Sensitive | undefined
  /** Path of the document of clients. */
  readonly clientsFile?: string | undefined
  /** The same, if not in a file. */
  readonly clients?: Sensitive | undefined
  /** The code name of the secret that is the document of clients. */
  readonly clientsSecret?: string | undefined
  /** Pause between two checks for a change of the file, in milliseconds; 0, the default, disables them. */
  readonly watchFiles?: number | undefined
  /** Time after which the secret is read again, in milliseconds, if it is less than one minute. */
  readonly cacheTtl?: number | undefined
  /** Time to use a document that cannot be read or used any more, in milliseconds; one hour by default. */
  readonly maxStale?: number | undefined
  /** The secrets that exist, for a warning about patterns that match none. */
  readonly codeNames?: readonly string[] | undefined
}

/** What the loading of the clients needs. */
export interface LoadedClients {
  /** For the log. */
  readonly content: string
  /** Converts the text. It has no side effects on the clients in use. */
  readonly read: (text: string) => readonly ClientEntry[]
  readonly use: (entries: readonly ClientEntry[]) => void
  readonly staleness: Staleness
}

const defaultMaxStale = 3_600_000

/** @throws UsageError, when it is wired, if the options name more than one source */
export const clients =
  (options: ClientsOptions, clock: Clock = systemClock): Subscriber =>
  (bus) => {
    checkSource(options, bus.service)
    bus.publisher(declareRights) // only declares it, because `declaredRights` does not
    const isDocument = options.authTokenFile === undefined && options.authToken === undefined
    const content = isDocument ? 'clients' : 'tokens'
    const staleness = new Staleness(isDocument ? (options.maxStale ?? defaultMaxStale) : Infinity, clock)
    let known: KnownClients | undefined
    let reader: (text: string) => readonly ClientEntry[]
    let refusing = false

    const newReader = async (): Promise<typeof reader> => {
      const rights = await declaredRights(bus)
      if (!isDocument) return (text) => tokenClients(text, rights)
      const { documentReader } = await import('./document.ts') // loads Ajv
      const read = documentReader(rights, options.codeNames)
      return (text) => {
        const { entries, warnings } = read(text)
        for (const warning of warnings) bus.log('warn', `Document of clients: ${warning}`)
        return entries
      }
    }
    const read = (text: string) => reader(text)
    const use = (entries: readonly ClientEntry[]) => {
      known = new KnownClients(entries, known)
    }

    const loaded: LoadedClients = { content, read, use, staleness }
    const fromOption = isDocument
      ? { flag: '--clients', path: options.clientsFile, variable: 'CLIENTS', value: options.clients }
      : { flag: '--auth-token-file', path: options.authTokenFile, variable: 'AUTH_TOKEN', value: options.authToken }
    const load =
      options.clientsSecret === undefined
        ? loadFromOption(
            bus,
            { ...fromOption, variable: bus.service.variablePrefix + fromOption.variable },
            options.watchFiles ?? 0,
            loaded,
          )
        : loadFromSecret(bus, options.clientsSecret, options.cacheTtl ?? Infinity, clock, loaded)

    bus.provide(identifyClient, (credentials) => {
      if (staleness.isExpired) {
        if (!refusing) bus.log('error', `Refusing all requests, because the ${content} have been stale for too long`)
        refusing = true
        return undefined
      }
      refusing = false
      return known?.identify(credentials)
    })

    bus.subscribe(lifecycle.start, async () => {
      reader = await newReader()
      if (options.clientsSecret === undefined) await load()
    })

    // A secret is reloaded after the cache has read it again, which it does at the usual priority.
    bus.subscribe(
      lifecycle.graceful,
      async () => {
        await load()
        return { clients: known?.size, tokens: known?.tokens.length }
      },
      { priority: options.clientsSecret === undefined ? 50 : 60 },
    )

    const health = (): HealthCheck => {
      const name = 'clients'
      if (!known) return { name, status: 'fail', output: 'not loaded yet' }
      return staleness.isStale ? { name, status: 'warn', output: 'stale' } : { name, status: 'pass' }
    }
    if (isDocument) bus.subscribe(checkHealth, health)

    bus.subscribe(collectMetrics, () => clientMetrics(bus.service, known, staleness))
  }

/** The options of the HTTP part exclude each other by their declaration; that of the secrets belongs to another one. */
function checkSource(options: ClientsOptions, { variablePrefix }: Pick<ServiceInfo, 'variablePrefix'>): void {
  const { clientsSecret, authTokenFile, authToken, clientsFile, clients } = options
  const given = [
    ['--clients-secret', clientsSecret],
    ['--auth-token-file', authTokenFile],
    [`${variablePrefix}AUTH_TOKEN`, authToken],
    ['--clients', clientsFile],
    [`${variablePrefix}CLIENTS`, clients],
  ].flatMap(([label, value]) => (value === undefined ? [] : [label]))
  if (given.length > 1) throw new UsageError(`${given.slice(0, 2).join(' and ')} are mutually exclusive`)
}
