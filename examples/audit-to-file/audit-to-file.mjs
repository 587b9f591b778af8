// @ts-check
/** Appends a line of JSON to the file `AUDIT_FILE` for each access to a secret. */
import { open } from 'node:fs/promises'

/** @type {import('secret-bus').Plugin} */
export default ({ channels, lifecycle }) => {
  const path = process.env['AUDIT_FILE']
  if (!path) throw new Error('AUDIT_FILE must be set to the path of the file to write')

  const openFile = () =>
    open(path, 'a').catch((cause) => {
      throw new Error(`Failed to open AUDIT_FILE: ${cause.message}`, { cause })
    })

  return (bus) => {
    /** @type {import('node:fs/promises').FileHandle | undefined} */
    let file
    /** Resolves when each line so far has been written or has failed. */
    let pendingWrites = Promise.resolve()

    /**
     * Directs new lines to another file, or to none, and closes the previous file after its pending lines.
     * @param {typeof file} next
     */
    const switchTo = async (next) => {
      const previous = file
      file = next
      await pendingWrites
      await previous?.close()
    }

    // Lines are written in order, and requests do not wait for them.
    bus.subscribe(channels.secretAccessed, (access) => {
      const target = file
      const line = `${JSON.stringify({ time: new Date().toISOString(), ...access })}\n`
      pendingWrites = pendingWrites
        .then(() => (target ? target.appendFile(line) : Promise.reject(new Error('The file is closed'))))
        .catch((err) => bus.log('error', `Failed to write to AUDIT_FILE: ${err.message}`, { reqId: access.reqId, err }))
    })

    bus.subscribe(lifecycle.start, async () => switchTo(await openFile()))

    // To rotate the file, rename it and reload the service.
    bus.subscribe(lifecycle.graceful, async () => {
      await switchTo(await openFile())
      return { reopened: path }
    })

    // Runs after the HTTP server has stopped, because stop listeners run in reverse order.
    bus.subscribe(lifecycle.stop, () => switchTo(undefined))
  }
}
