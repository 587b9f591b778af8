/** Reads the metadata of a package. */
import { readFileSync } from 'node:fs'
// A default import, because older versions of Node.js reject a missing name before the version can be checked.
import module from 'node:module'
import type { Manifest } from '../bus/process/service-info.ts'

/**
 * Reads the nearest package.json above a module. A scope in the name is left out, because it is not part of the
 * service's name.
 * @param from the URL of the module, `import.meta.url`
 * @throws Error if there is no package.json
 */
export function readPackage(from: string): Manifest {
  const file = module.findPackageJSON(from) ?? 'package.json'
  const { name, version, description, license, homepage, container } = JSON.parse(readFileSync(file, 'utf8'))
  return { name: String(name).replace(/^@[^/]*\//, ''), version, description, license, homepage, container }
}
