/** The bearer tokens that give access, from a file or the environment: answers `token.check`. */
import { hash, timingSafeEqual } from 'node:crypto'
import { lifecycle } from '../bus/process/lifecycle.ts'
import type { Subscriber } from '../bus/process/process-bus.ts'
import { checkToken } from '../channels.ts'
import { UnusableFile, UsageError } from '../errors.ts'
import { readOptionFile } from '../runtime/options/files.ts'
import type { Sensitive } from '../secret.ts'

/** Where the tokens are, one a line, so that a new one can be given out before the old one is withdrawn. */
export interface TokensOptions {
  /** A file, which is read again on a reload. */
  readonly authTokenFile?: string | undefined
  /** The tokens themselves. */
  readonly authToken?: Sensitive | undefined
}

/** `b64token` of https://www.rfc-editor.org/rfc/rfc6750#section-2.1; nothing else can be sent. */
const sendable = /^[\w.~+/-]+=*$/

export const tokens =
  (options: TokensOptions): Subscriber =>
  (bus) => {
    // Hashes are of one length, which the comparison in constant time wants, and tell nothing of the tokens.
    let known: readonly Buffer[] = []
    const load = async () => {
      known = (await read(options)).map(digest)
    }

    bus.provide(checkToken, ({ token }) => {
      const given = digest(token.reveal())
      // All are compared, also when one has matched, so that the time says nothing.
      return known.filter((one) => timingSafeEqual(one, given)).length > 0
    })

    bus.subscribe(lifecycle.start, load)

    bus.subscribe(lifecycle.graceful, async () => {
      await load()
      return { tokens: known.length }
    })
  }

function digest(token: string): Buffer {
  return hash('sha256', token, 'buffer')
}

/** @throws UnusableFile or UsageError, with nothing of what was read */
async function read({ authTokenFile: file, authToken }: TokensOptions): Promise<string[]> {
  if (file === undefined) {
    const text = authToken?.reveal() ?? ''
    return tokensIn(text, (problem) => new UsageError(`SECRET_BUS_AUTH_TOKEN ${problem}`))
  }
  const text = await readOptionFile('--auth-token-file', file)
  return tokensIn(text.toString(), (problem) => new UnusableFile(`--auth-token-file ${file} ${problem}`))
}

function tokensIn(text: string, unusable: (problem: string) => Error): string[] {
  const lines = text.split('\n').map((line) => line.trim())
  const wrong = lines.findIndex((line) => line !== '' && !sendable.test(line))
  if (wrong >= 0) throw unusable(`does not hold one bearer token a line: see line ${wrong + 1}`)
  const tokens = lines.filter((line) => line !== '')
  if (tokens.length === 0) throw unusable('holds no bearer token')
  return tokens
}
