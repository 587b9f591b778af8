/**
 * Packs both packages into a folder, after `npm run build`: the bus alone, and the service. In the package of the service,
 * each module of the bus only re-exports the same module of the other package, so that there is one instance of the bus
 * and one set of types when both are installed. See docs/adr/0013-the-bus-is-a-package-of-its-own.md.
 *
 *   npm run pack:all -- DIR
 */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import manifest from '../package.json' with { type: 'json' }

const project = fileURLToPath(new URL('..', import.meta.url))
const { version, license, type, homepage, repository, engines, dependencies } = manifest
const document = `${homepage}/blob/main/docs/BUS.md`

const busManifest = {
  name: '@secret-bus/bus',
  version,
  description: 'A typed event bus: events, requests with one provider, and the lifecycle of a process',
  license,
  type,
  homepage: document,
  repository: { ...repository, directory: 'src/bus' },
  engines,
  exports: {
    '.': { types: './dist/index.d.ts', default: './dist/index.js' },
    './package.json': './package.json',
    // Internal: the modules that the package of the service re-exports. They may change in any version.
    './*.js': { types: './dist/*.d.ts', default: './dist/*.js' },
  },
  files: ['dist/**/*.js', 'dist/**/*.d.ts'],
  dependencies: { mitt: dependencies.mitt },
}
const serviceManifest = {
  ...manifest,
  dependencies: { [busManifest.name]: version, ...dependencies, mitt: undefined },
  // Only for development.
  ...{ scripts: undefined, devDependencies: undefined, allowScripts: undefined },
}

/** Packs the folders and returns the paths of the tarballs. Scripts are ignored, because `prepack` would build again. */
function pack(to: string, ...folders: string[]): string[] {
  const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', to, ...folders]
  const names = execFileSync('npm', args, { encoding: 'utf8' }).trim().split('\n')
  return names.map((name) => join(to, name))
}

function packAll(to: string, stage: string): string[] {
  const [service, bus] = [join(stage, 'package'), join(stage, 'bus')]
  // npm selects the files of the service according to package.json.
  for (const tarball of pack(stage, project)) execFileSync('tar', ['-xzf', tarball, '-C', stage])
  cpSync(join(service, 'dist/bus'), join(bus, 'dist'), { recursive: true })
  for (const file of globSync('**/*.{js,d.ts}', { cwd: join(bus, 'dist') })) {
    const [code, copy] = [join(bus, 'dist', file), join(service, 'dist/bus', file)]
    // Omits the source maps. They contain the sources, from which the code hardly differs.
    writeFileSync(code, readFileSync(code, 'utf8').replace(/\n\/\/# sourceMappingURL=.*$/, '\n'))
    rmSync(`${copy}.map`, { force: true })
    writeFileSync(copy, `export * from '${busManifest.name}/${file.replace(/\.d\.ts$/, '.js')}'\n`)
  }
  const [beginning = ''] = readFileSync(join(project, 'docs/BUS.md'), 'utf8').split('\n## ')
  const readme = beginning.replaceAll(/\]\((.*?)\)/g, (_, link) => `](${new URL(link, document)})`)
  writeFileSync(join(bus, 'README.md'), readme.replace(/^# .*/, `# ${busManifest.name}`))
  writeFileSync(join(bus, 'package.json'), JSON.stringify(busManifest, undefined, 2))
  writeFileSync(join(service, 'package.json'), JSON.stringify(serviceManifest, undefined, 2))
  copyFileSync(join(project, 'LICENSE'), join(bus, 'LICENSE'))
  return pack(to, bus, service)
}

const [folder, ...others] = process.argv.slice(2)
try {
  if (folder === undefined || others.length > 0) throw new Error(`received ${process.argv.length - 2} arguments`)
  mkdirSync(folder, { recursive: true })
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error)
  process.stderr.write(`secret-bus: pack:all must be called with a folder, npm run pack:all -- DIR: ${reason}\n`)
  process.exit(64)
}
const stage = mkdtempSync(join(tmpdir(), 'secret-bus-pack-'))
try {
  for (const tarball of packAll(resolve(folder), stage))
    process.stdout.write(`${tarball} ${(statSync(tarball).size / 1_000).toFixed(1)} kB\n`)
} finally {
  rmSync(stage, { recursive: true })
}
