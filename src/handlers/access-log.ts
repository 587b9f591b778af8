/** The access log: one line per request of any route, when its response has been sent or the client has disconnected. */
import type { Subscriber } from '../bus/process/process-bus.ts'
import { httpRoutes } from '../channels.ts'
import { clientOf } from './guards/client-of.ts'
import { Batch } from './routes/batch.ts'
import { clientAddress } from './server/client-address.ts'
import { hookPriority } from './server/hook-priority.ts'
import { finalStatus, onClosed, type WatchedResponse } from './server/node/response.ts'
import { callOf } from './trace-context.ts'

/** Neither paths, which may contain anything that a client sends, nor queries and headers, which may contain tokens. */
interface Access {
  readonly reqId: string
  readonly client: string | undefined
  readonly address: string | undefined
  readonly method: string
  readonly route: string
  readonly status: number
  /** From the request head to the end of the response. */
  readonly ms: number
  readonly trace_id: string | undefined
}

export const accessLog = (): Subscriber => (bus) => {
  const accesses = new Batch<Access>(async (access) => bus.log('info', 'Handled request', access))

  const add = (response: WatchedResponse) => {
    const { request, route, began } = response
    if (!request) return
    accesses.add({
      reqId: request.id,
      client: clientOf(request)?.name,
      address: clientAddress(request),
      method: request.method,
      route,
      status: finalStatus(response),
      ms: Math.round((performance.now() - began) * 1_000) / 1_000,
      trace_id: callOf(request).trace?.traceId,
    })
  }

  bus.subscribe(
    httpRoutes,
    (app) => {
      // At the server, because no hooks run for a malformed path.
      app.server.prependListener('request', (_request, response) => onClosed(response, add))
      app.addHook('onClose', () => accesses.flush())
    },
    { priority: hookPriority.metrics },
  )
}
