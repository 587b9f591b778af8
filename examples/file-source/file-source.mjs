// @ts-check
/** Secrets from a JSON file, `{"<code name>": "<secret>"}`, whose path is in the variable `SECRETS_FILE`. */
import { readFile } from 'node:fs/promises'

/** @type {import('secret-bus').Plugin} */
export default ({ channels, Sensitive, SecretNotFound, SourceFailure }) => {
  const file = process.env['SECRETS_FILE']
  if (!file) throw new Error('SECRETS_FILE is not set; it names the JSON file with the secrets')

  /** @param {string} reason never quotes the file */
  const unavailable = (reason) => new SourceFailure('SOURCE_UNAVAILABLE', `SECRETS_FILE ${reason}`)

  // Read anew each time. The cache sees to it that this is seldom, and asks again when the process reloads.
  const readSecrets = async () => {
    const text = await readFile(file, 'utf8').catch(({ code }) => {
      throw unavailable(`cannot be read: ${code}`)
    })
    const secrets = parse(text)
    if (typeof secrets !== 'object' || !secrets || Array.isArray(secrets)) throw unavailable('holds no JSON object')
    return new Map(Object.entries(secrets))
  }

  return (bus) => {
    bus.provide(channels.fetchSecret, async ({ codeName }) => {
      const secrets = await readSecrets()
      if (!secrets.has(codeName)) throw new SecretNotFound(codeName)
      const value = secrets.get(codeName)
      // Unlike after an outage, an older value is not good any more.
      if (typeof value !== 'string') throw new SourceFailure('SOURCE_REFUSED', `SECRETS_FILE: ${codeName} is no string`)
      return { codeName, value: new Sensitive(value), fetchedAt: Date.now() }
    })
  }
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the error would quote the text
  }
}
