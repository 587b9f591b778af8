/** The client of a request. */
import type { FastifyRequest } from 'fastify'
import type { Client } from '../../client.ts'

/** A symbol cannot collide with a plugin's decorator. */
const key = Symbol('client')

type IdentifiedRequest = FastifyRequest & { [key]?: Client }

/** Keeps the client for `clientOf`. */
export function setClient(request: FastifyRequest, client: Client): void {
  const identified: IdentifiedRequest = request
  identified[key] = client
}

/**
 * Returns the client that the authentication has identified; undefined on open routes, for a request that is rejected
 * before, and without authentication.
 */
export function clientOf(request: FastifyRequest): Client | undefined {
  const identified: IdentifiedRequest = request
  return identified[key]
}
