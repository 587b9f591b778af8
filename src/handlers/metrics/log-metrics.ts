/** Metrics of the log. */
import type { Subscriber } from '../../bus/process/process-bus.ts'
import { collectMetrics } from '../../channels.ts'

/** The lines that were lost, because stdout was not read or could not be written. */
export interface DroppedLines {
  readonly audit: number
  readonly other: number
}

/** @param dropped returns the number of lost lines so far */
export const logMetrics =
  (dropped: () => DroppedLines): Subscriber =>
  (bus) => {
    bus.subscribe(collectMetrics, () => [
      {
        name: `${bus.service.metricPrefix}log_lines_dropped_total`,
        help: 'Log lines lost because stdout was not read or could not be written, by kind (audit or other).',
        type: 'counter',
        values: Object.entries(dropped()).map(([kind, value]) => ({ labels: { kind }, value })),
      },
    ])
  }
