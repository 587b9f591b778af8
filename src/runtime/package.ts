/** What the package says of itself in `package.json`. */
import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'

export interface Package {
  readonly name: string
  readonly version: string
  readonly description: string
  /** As https://spdx.org/licenses/ has it. */
  readonly license: string
  /** Link to the repository. */
  readonly project: string
  /** Link to the image that it is published as. */
  readonly container: string
}

export function readPackage(): Package {
  // The nearest one: above `src`, above `dist`, and above the bundle of the image.
  const file = findPackageJSON(import.meta.url) ?? 'package.json'
  const manifest = JSON.parse(readFileSync(file, 'utf8'))
  const { name, version, description, license, homepage, container } = manifest
  return { name, version, description, license, project: homepage, container }
}
