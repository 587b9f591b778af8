/** Reads the metadata of this package. */
import { readFileSync } from 'node:fs'
// A default import, because older versions of Node.js reject a missing name before main.ts can check the version.
import module from 'node:module'

export interface Package {
  readonly name: string
  readonly version: string
  readonly description: string
  /** SPDX identifier, see https://spdx.org/licenses/. */
  readonly license: string
  /** Link to the repository. */
  readonly project: string
  /** Link to the published image. */
  readonly container: string
}

export function readPackage(): Package {
  // The nearest one is above `src`, `dist` and the bundle in the image alike.
  const file = module.findPackageJSON(import.meta.url) ?? 'package.json'
  const manifest = JSON.parse(readFileSync(file, 'utf8'))
  const { name, version, description, license, homepage, container } = manifest
  return { name, version, description, license, project: homepage, container }
}
