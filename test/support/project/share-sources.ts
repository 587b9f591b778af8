/** Preloaded with `--import`: makes `secret-bus` resolve to the sources, in folders where it is not installed. */
import { shareInstance } from '../../../src/runtime/plugins/module-imports.ts'

shareInstance()
