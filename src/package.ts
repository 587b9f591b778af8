/** What the package says of itself in `package.json`. */
import { readFileSync } from 'node:fs'

export interface Package {
  readonly version: string
  /** Link to the repository. */
  readonly project: string
  /** Link to the image that it is published as. */
  readonly container: string
}

export function readPackage(): Package {
  // Beside `src` as well as beside `dist`.
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return { version: manifest.version, project: manifest.homepage, container: manifest.container }
}
