/** Serves the files of the HTML pages, with a strict content security policy. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type {} from '@fastify/swagger' // the type of `hide`
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Right } from '../../client.ts'
import { acceptsGzip } from './accepts-gzip.ts'
import { etagMatches } from './etag.ts'
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
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
}

/** The URL of a page's file, in the folder `browser` next to this module or to the bundle. */
export const ownFile = (name: string): URL => new URL(`./browser/${name}`, import.meta.url)

/**
 * Serves each file at its path.
 * @param page.service the name of the service, which replaces `{{service}}` in HTML files. It has no special characters
 * @param page.needs the right that a client needs
 */
export function serveFiles(
  app: FastifyInstance,
  { service, needs }: { readonly service: string; readonly needs: Right },
  files: Readonly<Record<string, URL>>,
): void {
  for (const [path, file] of Object.entries(files)) {
    const send = sendFile(extname(file.pathname), () => readPage(file, service))
    app.get(path, { config: { browser: true, needs }, schema: { hide: true } }, send)
  }
}

/**
 * Returns a handler that sends a file. The file is read on the first request and kept, compressed and as it is, so that
 * all responses share its memory.
 * @param extension determines its media type
 * @param more headers of the response
 */
export function sendFile(extension: string, load: () => Promise<Buffer>, more: Readonly<Record<string, string>> = {}) {
  const read = lazy(async () => {
    const content = await load()
    return { content, hash: createHash('sha256').update(content).digest('hex') }
  })
  const compress = lazy(async () => promisify(gzip)((await read()).content))

  return async (request: FastifyRequest, reply: FastifyReply) => {
    const { content, hash } = await read()
    const isPlain = !acceptsGzip(request.headers['accept-encoding'])
    // Strong, so each encoding has its own: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.3
    const etag = isPlain ? `"${hash}"` : `"${hash}-gzip"`
    reply.headers({ ...headers, ...more }).header('etag', etag)
    if (etagMatches(request.headers['if-none-match'], etag)) return reply.code(304).send()
    reply.type(types[extension] ?? 'application/octet-stream')
    if (isPlain) return content
    return reply.header('content-encoding', 'gzip').send(await compress())
  }
}

async function readPage(file: URL, service: string): Promise<Buffer> {
  const content = await readFile(file)
  return file.pathname.endsWith('.html') ? Buffer.from(content.toString().replaceAll('{{service}}', service)) : content
}
