/**
 * Resolves the names of the packages to the sources, so that the services of `examples/` run without a build. To be
 * loaded with `--import`:
 *
 *   npm run example -- examples/orders/src/main.ts --help
 */
import { shareInstance } from '../src/runtime/plugins/module-imports.ts'

shareInstance()
