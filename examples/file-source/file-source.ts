/** Provides secrets from the JSON file `SECRETS_FILE`: `{"<code name>": "<secret>"}`. */
import { readFile } from 'node:fs/promises'
import type { Plugin } from 'secret-bus'

const fileSource: Plugin = ({ channels, Sensitive, SecretNotFound, SourceFailure }) => {
  const file = process.env['SECRETS_FILE']
  if (!file) throw new Error('SECRETS_FILE must be set to the path of a JSON file')

  /** `reason` must not contain file contents. */
  const unavailable = (reason: string) => new SourceFailure('SOURCE_UNAVAILABLE', reason)

  // Reads the file on every request. The service caches secrets and requests them again on reload.
  const readSecrets = async (): Promise<Map<string, unknown>> => {
    const text = await readFile(file, 'utf8').catch(({ code }) => {
      throw unavailable(`Failed to read SECRETS_FILE: ${code}`)
    })
    const secrets = parse(text)
    if (typeof secrets !== 'object' || !secrets || Array.isArray(secrets))
      throw unavailable('SECRETS_FILE must contain a JSON object')
    return new Map(Object.entries(secrets))
  }

  return (bus) => {
    bus.provide(channels.fetchSecret, async ({ codeName }) => {
      const secrets = await readSecrets()
      if (!secrets.has(codeName)) throw new SecretNotFound(codeName)
      const value = secrets.get(codeName)
      // SOURCE_REFUSED drops the cached value, SOURCE_UNAVAILABLE keeps it.
      if (typeof value !== 'string')
        throw new SourceFailure('SOURCE_REFUSED', `SECRETS_FILE: ${codeName} must be a string`)
      return { codeName, value: new Sensitive(value) }
    })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the error quotes the text, which may be secret
  }
}

export default fileSource
