/** Serves the files of the HTML pages, with a strict content security policy. */
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type {} from '@fastify/swagger' // the type of `hide`
import type { FastifyInstance } from 'fastify'
import { lazy } from './lazy.ts'

/** Forbids other origins, inline code and framing: https://www.w3.org/TR/CSP3/. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const headers = {
  'cache-control': 'no-cache',
  'content-security-policy': policy,
  'referrer-policy': 'no-referrer',
  vary: 'accept-encoding',
  'x-content-type-options': 'nosniff',
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
}

/** Does not match `gzip;q=0`, which forbids it: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3. */
const acceptsGzip = /(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)/i

/** The URL of a page's file, in the folder `browser` next to this module or to the bundle. */
export const ownFile = (name: string): URL => new URL(`./browser/${name}`, import.meta.url)

/** Serves each file at its path. A file is read on the first request and kept compressed. */
export function serveFiles(app: FastifyInstance, files: Readonly<Record<string, URL>>): void {
  for (const [path, file] of Object.entries(files)) {
    const compress = lazy(async () => promisify(gzip)(await readFile(file)))

    app.get(path, { config: { browser: true }, schema: { hide: true } }, async (request, reply) => {
      const compressed = await compress()
      reply.headers(headers).type(types[extname(file.pathname)] ?? 'application/octet-stream')
      if (!acceptsGzip.test(String(request.headers['accept-encoding']))) return promisify(gunzip)(compressed)
      return reply.header('content-encoding', 'gzip').send(compressed)
    })
  }
}
