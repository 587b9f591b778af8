/** dynalite ships no types. Only the part in use is declared. */
declare module 'dynalite' {
  import type { Server } from 'node:http'

  /** @param options.createTableMs time that a new table stays in the state CREATING, in milliseconds */
  export default function dynalite(options?: { createTableMs?: number }): Server
}
