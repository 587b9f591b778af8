/** Runs the DynamoDB emulator as a separate container: a bus with the log, the signals and the embedded DynamoDB. */
import { log } from '../src/bus/process/log.ts'
import { ProcessBus } from '../src/bus/process/process-bus.ts'
import { signals } from '../src/bus/process/signals.ts'
import { createLogger } from '../src/runtime/logger.ts'
import { embeddedDynamodb } from '../src/sources/dynamodb/embedded-dynamodb.ts'
import { readOptions } from '../test/support/service/options.ts'

// Table, attributes and code names come from the same environment variables as for the service.
const options = await readOptions(new Map(), process.env)
const logger = await createLogger(options, process.stdout.isTTY)

const bus = new ProcessBus()
  .use('log', log(logger))
  .use('signals', signals(process))
  .use('embedded-dynamodb', embeddedDynamodb({ ...options, listen: { host: '0.0.0.0', port: 8_000 } }))
await bus.start()
await bus.wait('EXITING')
process.exit(await bus.exit())
