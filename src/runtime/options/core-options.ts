/** The options of every service. */
import { logLevels } from '../../bus/process/lifecycle.ts'
import type { OptionRecord, OptionValues } from './option.ts'
import { choice, matching } from './types.ts'

const logLevel = choice([...logLevels, 'silent'])
const logFormat = choice(['auto', 'json', 'pretty'])
const logWhenFull = choice(['drop', 'block'])

/** Checks the syntax only; that the subscriber exists is checked later. */
const subscriber = matching(/^[A-Za-z][\w-]*$/, 'the name of a subscriber')

export const coreOptions = {
  drain: {
    group: 'Process',
    describe: 'Time to keep serving after a shutdown signal',
    type: 'duration',
    default: '0s',
  },
  shutdownTimeout: {
    group: 'Process',
    describe: 'Time limit of the shutdown after draining',
    type: 'time-limit',
    default: '10s',
  },
  reloadTimeout: {
    group: 'Process',
    describe: 'Time limit of each subscriber during a reload',
    type: 'time-limit',
    default: '30s',
  },
  plugins: {
    group: 'Process',
    flag: 'plugin',
    describe: 'Plugin: the file of an ES module, or a package (repeatable)',
    type: 'module',
    repeatable: true,
  },
  without: {
    group: 'Process',
    describe: 'Built-in subscriber to leave out (repeatable)',
    type: subscriber,
    repeatable: true,
  },
  config: { group: 'Process', describe: 'JSON file with options', type: 'file' },
  logLevel: {
    group: 'Logs',
    describe: 'Minimum log level: trace, debug, info, warn, error, fatal, or silent',
    type: logLevel,
    default: 'info',
  },
  logFormat: {
    group: 'Logs',
    describe: 'Log format: json, pretty, or auto (pretty on a terminal)',
    type: logFormat,
    default: 'auto',
  },
  logWhenFull: {
    group: 'Logs',
    describe: 'If stdout is not read: drop lines beyond 8 MiB, or block the process',
    type: logWhenFull,
    default: 'drop',
  },
} as const satisfies OptionRecord

/** Without `config`, which has been read when the values are known. */
export type CoreOptions = OptionValues<Omit<typeof coreOptions, 'config'>>

/** Flags that the command line itself defines. */
export const reservedFlags: ReadonlySet<string> = new Set(['help', 'h', 'version', 'format', 'get-yargs-completions'])
