/**
 * Node's HTTP. An `import` of it looks at everything that it exports, and so loads what stands behind its `WebSocket`: undici,
 * HTTP/2 and more, which no start should wait for.
 */
export const { createServer, IncomingMessage, ServerResponse, STATUS_CODES } = process.getBuiltinModule('node:http')
export const { createServer: createSecureServer } = process.getBuiltinModule('node:https')
