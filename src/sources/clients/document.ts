/** Reads the document of clients. */
import { Ajv, type ErrorObject } from 'ajv'
import type { Right } from '../../client.ts'
import { InvalidClients } from './invalid-clients.ts'
import { type ClientEntry, tokenHash } from './known-clients.ts'
import { codeNameMatcher } from './pattern.ts'
import { clientsSchema } from './schema.ts'

/** The document, as the schema describes it. */
interface ClientsDocument {
  readonly clients: readonly {
    readonly name: string
    readonly tokens?: readonly string[]
    readonly certificates?: readonly string[]
    readonly secrets?: readonly string[]
    readonly may?: readonly string[]
    readonly rate?: number
  }[]
}

export interface ReadDocument {
  readonly entries: readonly ClientEntry[]
  /** What is probably a mistake. Names no token. */
  readonly warnings: readonly string[]
}

/**
 * Returns a function that reads documents.
 * @param rights the rights that exist
 * @param codeNames the secrets that exist, if they are known
 * @returns the function, which throws InvalidClients with the path of the invalid member. It quotes no token
 */
export function documentReader(
  rights: ReadonlySet<Right>,
  codeNames?: readonly string[],
): (text: string) => ReadDocument {
  // The meta-schema would take most of the time, and a test checks the schema.
  const ajv = new Ajv({ verbose: true, meta: false, validateSchema: false })
  const isDocument = ajv.compile<ClientsDocument>(clientsSchema)
  return (text) => {
    const document = parse(text)
    if (!isDocument(document)) throw invalid(isDocument.errors?.at(-1))
    const { clients } = document
    checkUnique(clients.map(({ name }, index) => [`clients[${index}].name`, name]))
    const tokens = clients.map(({ tokens = [] }) => tokens.map(hashOf))
    const listed = (member: string, lists: readonly (readonly string[])[]) =>
      lists.flatMap((list, client) =>
        list.map((value, index) => [`clients[${client}].${member}[${index}]`, value] as const),
      )
    checkUnique(
      listed(
        'tokens',
        tokens.map((hashes) => hashes.map((hash) => hash.toString('hex'))),
      ),
    )
    checkUnique(
      listed(
        'certificates',
        clients.map(({ certificates = [] }) => certificates),
      ),
    )
    for (const [path, right] of listed(
      'may',
      clients.map(({ may = [] }) => may),
    ))
      if (!hasRight(rights, right)) throw new InvalidClients(`must be one of ${[...rights].join(', ')}`, path)
    const entries = clients.map(
      ({ name, certificates = [], secrets = [], may = ['secrets'], rate }, index): ClientEntry => ({
        name,
        may: new Set(may.filter((right) => hasRight(rights, right))),
        mayRead: codeNameMatcher(secrets),
        rate,
        tokens: tokens[index] ?? [],
        certificates,
      }),
    )
    const plain = listed(
      'tokens',
      clients.map(({ tokens = [] }) => tokens),
    ).filter(([, token]) => !isHash(token))
    const unmatched = listed(
      'secrets',
      clients.map(({ secrets = [] }) => secrets),
    ).filter(([, pattern]) => codeNames && !codeNames.some(codeNameMatcher([pattern])))
    return {
      entries,
      warnings: [
        ...warning(plain, 'a token in plain text; replace it with sha256: and its hash'),
        ...warning(unmatched, 'the pattern matches no configured code name'),
      ],
    }
  }
}

/** Names the first path, and the number of the others. */
function warning(found: readonly (readonly [path: string, value: string])[], problem: string): string[] {
  const [first, ...others] = found
  if (!first) return []
  return [`${first[0]}${others.length > 0 ? ` and ${others.length} others` : ''}: ${problem}`]
}

/** The byte order mark that editors on Windows write is not JSON. The parse error is dropped, because it quotes the text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    throw new InvalidClients('must be JSON')
  }
}

function isHash(token: string): boolean {
  return token.startsWith('sha256:') // a bearer token contains no colon
}

function hashOf(token: string): Buffer {
  return isHash(token) ? Buffer.from(token.slice('sha256:'.length), 'hex') : tokenHash(token)
}

function hasRight(rights: ReadonlySet<string>, right: string): right is Right {
  return rights.has(right)
}

/** @throws InvalidClients with both paths */
function checkUnique(values: readonly (readonly [path: string, value: string])[]): void {
  const seen = new Map<string, string>()
  for (const [path, value] of values) {
    const other = seen.get(value)
    if (other !== undefined) throw new InvalidClients(`must differ from ${other}`, path)
    seen.set(value, path)
  }
}

/** The schemas describe what a value must be. Neither values nor names of unknown members are quoted: they may be tokens. */
function invalid(error: ErrorObject | undefined): InvalidClients {
  const { keyword = '', instancePath = '', params = {}, parentSchema } = error ?? {}
  const path = instancePath
    .slice(1)
    .replace(/\/(\d+)/g, '[$1]')
    .replaceAll('/', '.')
  const known = Object.keys(parentSchema?.['properties'] ?? {}).join(', ')
  const constraint = new Map([
    ['required', `must have the member ${params['missingProperty']}`],
    ['anyOf', 'must have the member tokens or certificates'],
    ['additionalProperties', `must have no members other than ${known}`],
  ]).get(keyword)
  return new InvalidClients(constraint ?? `must be ${parentSchema?.['description']}`, path)
}
