/** Runs the DynamoDB emulator as a separate container: a service whose only subscriber is the embedded DynamoDB. */
import { defineService } from '../src/runtime/define-service.ts'
import { readPackage } from '../src/runtime/package.ts'
import { run } from '../src/runtime/run.ts'
import { secretOptions } from '../src/secret-options.ts'
import { embeddedDynamodb } from '../src/sources/dynamodb/embedded-dynamodb.ts'

// The same name and options as secret-bus, so that table, attributes and code names come from the same variables.
const emulator = defineService({
  ...readPackage(import.meta.url),
  options: secretOptions,
  subscribers: (options) => ({
    'embedded-dynamodb': embeddedDynamodb({ ...options, listen: { host: '0.0.0.0', port: 8_000 } }),
  }),
})

process.exit(await run(emulator, process))
