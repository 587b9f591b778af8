/** The `new` command: writes the folder of a new service from the template of this package. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { messageOf } from '../../bus/errors.ts'
import { namePattern } from '../../bus/process/service-info.ts'
import { codeOf } from '../../bus/thrown.ts'
import { UsageError } from '../../errors.ts'
import { packageFolder, readPackage } from '../package.ts'

/** npm leaves files with some names out of a package, so the template contains them under other names. */
const packedNames: ReadonlyMap<string, string> = new Map([['gitignore', '.gitignore']])

/** The members of `process` that the command uses. */
interface CommandProcess {
  cwd(): string
  readonly stdout: { write(text: string): unknown }
}

/**
 * Writes the service to a new folder in the working directory, and prints what to run next.
 * @returns the exit code
 * @throws UsageError if the name is invalid, the folder exists, or this is the image, which has no template; Error if
 *   the folder cannot be written, after it has been removed
 */
export async function newService(name: string, process: CommandProcess): Promise<number> {
  if (!namePattern.test(name))
    throw new UsageError(
      `Service name must be words of a to z and 0 to 9 joined by dashes, such as orders, received ${JSON.stringify(name)}`,
    )
  const template = join(packageFolder(import.meta.url), 'template')
  if (!existsSync(template))
    throw new UsageError(`The template is not part of the image; run npx secret-bus new ${name}`)
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(template, 'package.json'), 'utf8'))
  if (Object.hasOwn({ ...dependencies, ...devDependencies }, name))
    throw new UsageError(
      `Service name must differ from the packages that it depends on, received ${JSON.stringify(name)}`,
    )
  await writeService(name, template, resolve(process.cwd(), name))
  process.stdout.write(`Created ${name}. Next:\n\n  cd ${name}\n  npm install\n  npm run demo\n`)
  return 0
}

async function writeService(name: string, template: string, folder: string): Promise<void> {
  await createFolder(name, folder)
  try {
    for (const file of await filesIn(template)) {
      const text = withName(await readFile(join(template, file), 'utf8'), name)
      const path = join(folder, packedNames.get(file) ?? file)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, file === 'package.json' ? withVersion(text) : text)
    }
  } catch (cause) {
    await rm(folder, { recursive: true, force: true })
    throw new Error(`Failed to write folder ${name}: ${messageOf(cause)}`, { cause })
  }
}

async function createFolder(name: string, folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST')
      throw new UsageError(`Folder ${name} must not exist; choose another name, or remove it`, { cause })
    throw new Error(`Failed to create folder ${name}: ${messageOf(cause)}`, { cause })
  }
}

/** The paths of the files, relative to the folder. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)))
}

/** Replaces the name of the service in the template, and the prefixes derived from it. */
function withName(text: string, name: string): string {
  const words = name.replaceAll('-', '_')
  return text
    .replaceAll('example-service', name)
    .replaceAll('example_service', words)
    .replaceAll('EXAMPLE_SERVICE', words.toUpperCase())
}

/** Makes the manifest depend on the version of this package. */
function withVersion(text: string): string {
  const { name, version } = readPackage(import.meta.url)
  const manifest = JSON.parse(text)
  manifest.dependencies[name] = `^${version}`
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}
