/** Runs the local stock API, to try the service by hand. */
import { startStockApi } from './stock-api.ts'

const { origin } = await startStockApi(5001)
process.stdout.write(`Stock API listening on ${origin}\n`)
