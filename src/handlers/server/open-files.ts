/** Fits the limits on connections to the number of files and sockets that the process may open. */
import { readFileSync } from 'node:fs'
import type { Limits } from './limits.ts'

/** Descriptors kept for DynamoDB, files, plugins and the log: this many, or half of a low limit. */
const reserve = 500

/**
 * Returns the limits with at most as many connections as there are descriptors, less a reserve. Without descriptors, a
 * process cannot accept or open connections or read files, and Node.js terminates it in some cases.
 * @param openFiles the number of descriptors that the process may have
 */
export function withinOpenFiles(limits: Limits, openFiles: number): Limits {
  const openConnections = Math.min(limits.openConnections, openFiles - Math.min(reserve, Math.ceil(openFiles / 2)))
  // The other half is for idle connections and open routes.
  return { ...limits, openConnections, connections: Math.min(limits.connections, Math.ceil(openConnections / 2)) }
}

/** Returns the maximum number of descriptors of this process: `ulimit -n`, which Node.js raises to the hard limit. */
export function openFilesLimit(): number {
  return limitOf(processLimits() ?? limitInReport())
}

function limitOf(text: unknown): number {
  const limit = Number(text)
  return limit > 0 ? limit : Infinity // `unlimited`, or a platform without this limit
}

/** https://man7.org/linux/man-pages/man5/proc_pid_limits.5.html */
function processLimits(): string | undefined {
  try {
    return /^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  } catch {
    return undefined // not Linux
  }
}

function limitInReport(): unknown {
  Object.assign(process.report, { excludeNetwork: true }) // otherwise the report looks up the host names of peers
  const report: { userLimits?: { open_files?: { soft?: unknown } } } = process.report.getReport()
  return report.userLimits?.open_files?.soft
}
