/** The public modules of the running instance. At this level, because all builds keep this file next to `index`. */
import { extname } from 'node:path'

/** The modules by the specifier under which a program imports them. */
export const publicModules: ReadonlyMap<string, URL> = new Map(
  Object.entries({
    'secret-bus': 'index',
    'secret-bus/testing': 'testing',
    '@secret-bus/bus': 'bus/index',
  }).map(([specifier, name]) => [specifier, new URL(`./${name}${extname(import.meta.url)}`, import.meta.url)]),
)
