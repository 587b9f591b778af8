/** How plugins import: this package resolves to the running instance, and packages resolve from the working directory. */
// A default import, because older versions of Node.js reject a missing name before the version can be checked.
import module from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { publicModules } from '../../self.ts'

let shared = false

/**
 * Makes every later `import 'secret-bus'` resolve to the running instance, so that plugins share its classes and
 * channels, even if another copy is installed next to them.
 */
export function shareInstance(): void {
  if (shared) return
  shared = true
  module.registerHooks({
    resolve(specifier, context, nextResolve) {
      const own = publicModules.get(specifier)
      return own ? { url: own.href, shortCircuit: true } : nextResolve(specifier, context)
    },
  })
}

/**
 * Imports a package that is installed for the working directory.
 * @throws the errors of `import`
 */
export async function importPackage(specifier: string): Promise<object> {
  const parentURL = pathToFileURL(join(process.cwd(), 'package.json')).href
  const marked = `${specifier}?plugin`
  const hooks = module.registerHooks({
    resolve: (wanted, context, nextResolve) =>
      wanted === marked ? nextResolve(specifier, { ...context, parentURL }) : nextResolve(wanted, context),
  })
  try {
    return await import(marked)
  } finally {
    hooks.deregister()
  }
}
