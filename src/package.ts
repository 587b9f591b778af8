/** What the package says of itself in `package.json`. */
import { readFileSync } from 'node:fs'

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
  // Beside `src` as well as beside `dist`.
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const { name, version, description, license, homepage, container } = manifest
  return { name, version, description, license, project: homepage, container }
}
