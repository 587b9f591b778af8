/** Provides `token.check`: compares bearer tokens with those from a file or the environment. */
import { hash, timingSafeEqual } from 'node:crypto'
import { lifecycle } from '../bus/process/lifecycle.ts'
import type { Subscriber } from '../bus/process/process-bus.ts'
import { checkToken } from '../channels.ts'
import { UnusableFile, UsageError } from '../errors.ts'
import { watchFiles } from '../runtime/watch-files.ts'
import type { Sensitive } from '../secret.ts'

/** One token per line. Several tokens allow rotation: add the new one before removing the old one. */
export interface TokensOptions {
  /** Path of the file, which is read again when it changes, and on reload. */
  readonly authTokenFile?: string | undefined
  /** Pause between two checks for a change of the file, in milliseconds; 0, the default, disables them. */
  readonly watchFiles?: number | undefined
  /** The tokens, if not in a file. */
  readonly authToken?: Sensitive | undefined
}

/** `b64token` of https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
const bearerToken = /^[\w.~+/-]+=*$/

export const tokens =
  (options: TokensOptions): Subscriber =>
  (bus) => {
    // Hashes have equal lengths, as `timingSafeEqual` requires, and do not reveal the tokens.
    let valid: readonly Buffer[] = []
    const load = watchFiles(bus, {
      files: options.authTokenFile === undefined ? [] : [{ flag: '--auth-token-file', path: options.authTokenFile }],
      every: options.watchFiles ?? 0,
      content: 'tokens',
      parse: ([file]) => parse(file, options, `${bus.service.variablePrefix}AUTH_TOKEN`).map(digest),
      use: (digests) => {
        valid = digests
      },
    })

    bus.provide(checkToken, ({ token }) => {
      const received = digest(token.reveal())
      // Compares with all tokens, even after a match, so that the time does not depend on which one matches.
      return valid.filter((expected) => timingSafeEqual(expected, received)).length > 0
    })

    bus.subscribe(lifecycle.start, load)

    bus.subscribe(lifecycle.graceful, async () => {
      await load()
      return { tokens: valid.length }
    })
  }

function digest(token: string): Buffer {
  return hash('sha256', token, 'buffer')
}

/** @throws UnusableFile or UsageError, neither of which quotes the text */
function parse(file: Buffer | undefined, { authTokenFile, authToken }: TokensOptions, variable: string): string[] {
  if (file)
    return tokensIn(file.toString(), (problem) => new UnusableFile(`--auth-token-file ${authTokenFile} ${problem}`))
  return tokensIn(authToken?.reveal() ?? '', (problem) => new UsageError(`${variable} ${problem}`))
}

function tokensIn(text: string, unusable: (problem: string) => Error): string[] {
  const lines = text.split('\n').map((line) => line.trim())
  const invalid = lines.findIndex((line) => line !== '' && !bearerToken.test(line))
  if (invalid >= 0) throw unusable(`must contain one bearer token per line, see line ${invalid + 1}`)
  const tokens = lines.filter((line) => line !== '')
  if (tokens.length === 0) throw unusable('must contain at least one bearer token')
  return tokens
}
