/**
 * The HTTP modules of Node.js. A static `import` evaluates every export, including the `WebSocket` getter, which loads
 * undici, HTTP/2 and more, and delays the start.
 */
export const { createServer, IncomingMessage, ServerResponse, STATUS_CODES } = process.getBuiltinModule('node:http')
export const { createServer: createSecureServer } = process.getBuiltinModule('node:https')
