/** The public API of the package. */
// Adds the OpenAPI keywords of route schemas, such as `summary`, to the types of Fastify.
/// <reference types="@fastify/swagger" preserve="true" />
export * from './bus/index.ts'
export * as channels from './channels.ts'
export { RequestError } from './handlers/server/problem.ts'
export type { Plugin, PluginContext } from './runtime/plugins.ts'
export * from './secret.ts'
