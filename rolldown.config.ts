/**
 * Bundles the program for the image: `main.js`, chunks for lazily loaded modules, and the files for browsers. The
 * DynamoDB emulator is not included.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'rolldown'

const pages = 'src/handlers/pages/browser'
const swaggerUi = 'node_modules/@fastify/swagger-ui/static'

/** Copies the files for browsers to the paths from which the program serves them. */
const browserFiles: Plugin = {
  name: 'browser-files',
  generateBundle() {
    const emit = (source: string, fileName: string) =>
      this.emitFile({ type: 'asset', fileName, source: readFileSync(source) })
    for (const file of readdirSync(pages)) emit(join(pages, file), join('browser', file))
    for (const file of ['swagger-ui-bundle.js', 'swagger-ui.css']) emit(join(swaggerUi, file), join(swaggerUi, file))
  },
}

/**
 * Omits source maps of dependencies, which would be nine tenths of all maps, and the references to them: Node.js searches
 * a file with a reference for line breaks when it loads the file.
 */
const dropDependencyMaps: Plugin = {
  name: 'drop-dependency-maps',
  transform: { filter: { id: /node_modules/ }, handler: (code) => ({ code, map: { mappings: '' } }) },
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk' || chunk.moduleIds.some((id) => !id.includes('node_modules'))) continue
      chunk.code = chunk.code.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '')
      if (chunk.sourcemapFileName !== null) delete bundle[chunk.sourcemapFileName]
    }
  },
}

export default defineConfig({
  // Plugins import `index` and `bus/index`.
  input: { main: 'src/main.ts', index: 'src/index.ts', 'bus/index': 'src/bus/index.ts' },
  platform: 'node',
  external: ['dynalite'],
  checks: { ineffectiveDynamicImport: false }, // those of credential providers, which the SDK imports as well
  plugins: [browserFiles, dropDependencyMaps],
  output: {
    dir: 'bundle',
    cleanDir: true,
    chunkFileNames: '[name].js',
    format: 'esm',
    minify: true,
    keepNames: true, // the log contains names of functions and classes
    sourcemap: true,
    sourcemapExcludeSources: true, // stack traces only need positions
    // Five chunks for what every start loads, instead of thirty, each of which Node.js would have to find and read.
    codeSplitting: {
      groups: [
        // What every command loads.
        {
          name: 'core',
          priority: 2,
          test: /\/src\/(bus|metrics|channels|errors|secret\.|secrets\.|secret-options|self|http\.|handlers\/server\/(request-error|limits)|runtime\/(define|options|package|environment|end-process|run|cli\/command|plugins\/plugin\.))/,
        },
        { name: 'fastify', priority: 1, test: /\/node_modules\/fastify\// },
        { name: 'undici', priority: 1, test: /\/node_modules\/undici\// },
        // What serving imports dynamically, with its dependencies, except the logger: pino looks up the position of its
        // caller, for which Node.js parses the source map of the caller's file.
        {
          name: 'serve',
          test: /\/src\/(http-subscribers|secret-subscribers|handlers\/(audit-trail|metrics\/access-metrics|routes\/secret|server\/app)|runtime\/(assemble|log-output))\.ts/,
        },
        { name: 'dynamodb', test: /\/src\/sources\/dynamodb\/table\.ts/ },
      ],
    },
  },
})
