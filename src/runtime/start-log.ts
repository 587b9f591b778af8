/** Logs at the start what runs: the version of the service, that of Node.js, and the options, without secrets. */
import { lifecycle } from '../bus/process/lifecycle.ts'
import type { Subscriber } from '../bus/process/process-bus.ts'
import { type EffectiveOption, publishedOptions, sourcesOf } from './options/effective.ts'

/** @param nodeVersion that of the process, such as `v24.12.0` */
export const startLog =
  (nodeVersion: string, options: readonly EffectiveOption[]): Subscriber =>
  (bus) => {
    // Before the check of the providers and the other listeners, so that a failed start has these lines, too.
    bus.subscribe(lifecycle.state, (state) => {
      if (state !== 'STARTING') return
      const { name, version } = bus.service
      const given = publishedOptions(options.filter(({ from }) => from !== undefined))
      // One text, because an object would take a line per option on a terminal.
      const summary = Object.entries(given).map(([option, value]) => `${option}=${value}`)
      const fields = { version, node: nodeVersion, options: summary.join(', ') || undefined }
      bus.log('info', `Starting ${name} ${version} on Node.js ${nodeVersion}`, fields)
      bus.log('debug', 'Using all these options', { options: publishedOptions(options), from: sourcesOf(options) })
    })
  }
