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

/** Omits source maps of dependencies, which would be nine tenths of the map. */
const dropDependencyMaps: Plugin = {
  name: 'drop-dependency-maps',
  transform: { filter: { id: /node_modules/ }, handler: (code) => ({ code, map: { mappings: '' } }) },
}

export default defineConfig({
  // Plugins import `index` and `bus/index`.
  input: { main: 'src/main.ts', index: 'src/index.ts', 'bus/index': 'src/bus/index.ts' },
  platform: 'node',
  external: ['dynalite'],
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
    // One chunk for what every command loads. Otherwise, each module that `index` exports too would be a chunk.
    codeSplitting: {
      groups: [
        {
          name: 'core',
          test: /\/src\/(bus|metrics|channels|errors|secret\.|secret-options|self|http\.|handlers\/server\/(request-error|limits)|runtime\/(define|options|package|environment|end-process|run|cli\/command|plugins\/plugin\.))/,
        },
      ],
    },
  },
})
