/** Reports the background reads of caches to the inspector, with the calls that they make. */
import { lifecycle } from '../../bus/process/lifecycle.ts'
import type { ProcessBus } from '../../bus/process/process-bus.ts'
import { type CacheRead, diagnostics } from '../../diagnostics.ts'
import type { Span } from './requests.ts'
import type { BusTraffic } from './traffic.ts'

/** A read that no request waits for. */
export type BackgroundRead = CacheRead & { readonly trigger: 'load' | 'refresh' | 'reload' }

export function watchBackgroundReads(bus: ProcessBus, traffic: BusTraffic): void {
  /** The reads in progress. */
  const reads = new Map<CacheRead, { readonly span: Span; readonly startedAt: number }>()
  /** The read that is about to call its source: it does so in the same turn in which it starts. */
  let starting: Span | undefined

  const start = (read: CacheRead) => {
    if (!isBackground(read)) return
    const span: Span = {}
    reads.set(read, { span, startedAt: performance.now() })
    starting = span
    queueMicrotask(() => {
      if (starting === span) starting = undefined
    })
  }
  const end = (read: CacheRead) => {
    const known = reads.get(read)
    if (!known || !isBackground(read)) return
    reads.delete(read)
    traffic.addRead(read, known.span, known.startedAt)
  }

  bus.intercept((call, next) => {
    if (starting) traffic.requests.insert(starting, call)
    starting = undefined
    return next()
  })
  let unsubscribe = () => {}
  bus.subscribe(lifecycle.start, () => {
    unsubscribe()
    unsubscribe = diagnostics.cacheRead.subscribe({ start, end })
  })
  bus.subscribe(lifecycle.stop, () => {
    unsubscribe()
    reads.clear()
  })
}

function isBackground(read: CacheRead): read is BackgroundRead {
  return read.trigger !== 'request'
}
