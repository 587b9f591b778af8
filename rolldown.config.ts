/**
 * The program for the image: `main.js`, and a file for whatever is loaded only when it is needed, with the pages for browsers
 * beside them. The emulator, for laptops, is left out.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'rolldown'

const pages = 'src/handlers/pages/browser'
const swaggerUi = 'node_modules/@fastify/swagger-ui/static'

/** What a browser asks for, where the program looks for it. */
const browserFiles: Plugin = {
  name: 'browser-files',
  generateBundle() {
    const emit = (source: string, fileName: string) =>
      this.emitFile({ type: 'asset', fileName, source: readFileSync(source) })
    for (const file of readdirSync(pages)) emit(join(pages, file), join('browser', file))
    for (const file of ['swagger-ui-bundle.js', 'swagger-ui.css']) emit(join(swaggerUi, file), join(swaggerUi, file))
  },
}

/** Nine tenths of the source map would be of those; where something fails in our own code is what a log is read for. */
const noMapOfDependencies: Plugin = {
  name: 'no-map-of-dependencies',
  transform: { filter: { id: /node_modules/ }, handler: (code) => ({ code, map: { mappings: '' } }) },
}

export default defineConfig({
  input: 'src/main.ts',
  platform: 'node',
  external: ['dynalite'],
  plugins: [browserFiles, noMapOfDependencies],
  output: {
    dir: 'bundle',
    cleanDir: true,
    chunkFileNames: '[name].js',
    format: 'esm',
    minify: true,
    keepNames: true, // of functions and classes, which the log shows
    sourcemap: true,
    sourcemapExcludeSources: true, // stack traces need the places alone
  },
})
