/** The entry point of example-service. */
import { run } from 'secret-bus'
import { service } from './service.ts'

process.exit(await run(service, process))
