/** Reads the metadata of a package. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Manifest } from '../bus/process/service-info.ts'

/**
 * Reads the nearest package.json above a module. A scope in the name is left out, because it is not part of the
 * service's name.
 * @param from the URL of the module, `import.meta.url`
 * @throws Error if there is no package.json
 */
export function readPackage(from: string): Manifest {
  const file = join(packageFolder(from), 'package.json')
  const { name, version, description, license, homepage, container } = JSON.parse(readFileSync(file, 'utf8'))
  return { name: String(name).replace(/^@[^/]*\//, ''), version, description, license, homepage, container }
}

/**
 * Returns the nearest folder above a module that contains a package.json. Without `findPackageJSON` of Node.js, because
 * older versions lack it, and definitions are evaluated before the version can be checked.
 */
export function packageFolder(from: string): string {
  let folder = dirname(fileURLToPath(from))
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder)
  return folder
}
