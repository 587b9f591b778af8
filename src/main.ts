#!/usr/bin/env node
/** The entry point of secret-bus. */
import { run } from './runtime/run.ts'
import { secretBus } from './service.ts'

process.exit(await run(secretBus, process))
