/** The entry point of orders. */
import { run } from 'secret-bus'
import { orders } from './service.ts'

process.exit(await run(orders, process))
