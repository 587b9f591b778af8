/** The entry point of the worker: `main.ts FOLDER`. */
import { signals } from '@secret-bus/bus'
import { jsonLogger } from './logger.ts'
import { createWorker } from './worker.ts'

const [folder = 'queue'] = process.argv.slice(2)
const logger = jsonLogger((line) => process.stdout.write(line))
const bus = createWorker({ folder, every: 1_000, logger }).use('signals', signals(process))

await bus.start().catch(() => {}) // the bus has logged the failure, and exits
await bus.wait('EXITING')
process.exitCode = await bus.exit()
