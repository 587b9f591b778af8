// @ts-check
/** A line of JSON for each access to a secret, at the end of the file that the variable `AUDIT_FILE` names. */
import { open } from 'node:fs/promises'

/** @type {import('secret-bus').Plugin} */
export default ({ channels, lifecycle }) => {
  const path = process.env['AUDIT_FILE']
  if (!path) throw new Error('AUDIT_FILE is not set; it names the file to write accesses to')

  const openFile = () =>
    open(path, 'a').catch((cause) => {
      throw new Error(`AUDIT_FILE cannot be opened: ${cause.message}`, { cause })
    })

  return (bus) => {
    /** @type {import('node:fs/promises').FileHandle | undefined} */
    let file
    /** Fulfilled when all lines so far are written, or have failed. */
    let written = Promise.resolve()

    /** @param {typeof file} next is where lines go from now on; those before still go where they were meant to */
    const switchTo = async (next) => {
      const last = file
      file = next
      await written
      await last?.close()
    }

    // A line waits for the one before it, and nobody waits for either.
    bus.subscribe(channels.secretAccessed, (access) => {
      const to = file
      const line = `${JSON.stringify({ time: new Date().toISOString(), ...access })}\n`
      written = written
        .then(() => (to ? to.appendFile(line) : Promise.reject(new Error('it is closed'))))
        .catch((err) => bus.log('error', `AUDIT_FILE lacks an access: ${err.message}`, { reqId: access.reqId, err }))
    })

    bus.subscribe(lifecycle.start, async () => switchTo(await openFile()))

    // Whoever rotates the file renames it, and then has the process reload.
    bus.subscribe(lifecycle.graceful, async () => {
      await switchTo(await openFile())
      return { reopened: path }
    })

    // After the HTTP server has stopped, for stop runs up the list.
    bus.subscribe(lifecycle.stop, () => switchTo(undefined))
  }
}
