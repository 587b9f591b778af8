/** dynalite has no types of its own; this is as much of it as is used. */
declare module 'dynalite' {
  import type { Server } from 'node:http'

  /** @param options.createTableMs how long a new table is being created, in milliseconds */
  export default function dynalite(options?: { createTableMs?: number }): Server
}
