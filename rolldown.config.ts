/** The program as one file, for the image: what it imports is in it, but the emulator that is for laptops. */
import { defineConfig } from 'rolldown'

export default defineConfig({
  input: 'src/main.ts',
  platform: 'node',
  external: ['dynalite'],
  output: {
    file: 'bundle/main.js',
    format: 'esm',
    codeSplitting: false,
    minify: true,
    keepNames: true, // of functions and classes, which the log shows
    sourcemap: true,
    sourcemapExcludeSources: true, // stack traces need the places alone
  },
})
