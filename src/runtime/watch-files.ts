/** Loads a value from the files of options, and loads it again when their contents change. */
import { hash } from 'node:crypto'
import { backgroundLoop, type LoopClock, systemClock } from '../bus/process/background-loop.ts'
import type { ProcessBus } from '../bus/process/process-bus.ts'
import { UnusableFile } from '../errors.ts'
import { type OptionFile, readOptionFile, readRegularFile } from './options/files.ts'

export interface WatchFilesOptions<Value> {
  /** Files that belong together, such as a certificate and its key: if one changes, all are read. May be empty. */
  readonly files: readonly OptionFile[]
  /** Pause between two checks, in milliseconds; 0 disables them. */
  readonly every: number
  /** What the files contain, for the log, such as `tokens`. */
  readonly content: string
  /**
   * Converts the contents, in the order of `files`. It has no side effects, because its result may not be used.
   * @throws UnusableFile
   */
  readonly parse: (contents: readonly Buffer[]) => Value | Promise<Value>
  /** Replaces the value in use. */
  readonly use: (value: Value) => void
  /** Called after each check and each load: with the failure if the files are missing or unusable. */
  readonly report?: (failure?: UnusableFile) => void
  /** Waits, for tests; those of the system by default. */
  readonly clock?: LoopClock
}

/** Time in milliseconds for which changed contents must stay the same, because a writer may still be writing. */
const longestQuietTime = 250

/**
 * Checks the files while the process runs. It compares contents, because the links that Kubernetes replaces, renamed
 * files and network file systems cause no reliable events: https://nodejs.org/docs/latest-v24.x/api/fs.html#caveats.
 * The value in use is kept, with one warning for each reason, until all files are usable again.
 *
 * Call it in a subscriber.
 * @returns a function that loads the value at once, for a start or a reload. It throws UnusableFile, or what `parse`
 *   throws
 */
export function watchFiles<Value>(
  bus: ProcessBus,
  { files, every, content, parse, use, report, clock = systemClock }: WatchFilesOptions<Value>,
): () => Promise<void> {
  let versionInUse: string | undefined
  let reported: string | undefined
  let [turns, turnInUse] = [0, 0]

  /** Returns false if contents that were read later are already in use. */
  const load = async (contents: readonly Buffer[]): Promise<boolean> => {
    turns += 1
    const turn = turns
    const value = await parse(contents)
    if (turn < turnInUse) return false
    use(value)
    turnInUse = turn
    versionInUse = versionOf(contents)
    reported = undefined
    return true
  }

  /** Returns undefined if the contents are those in use. */
  const newContents = async (signal: AbortSignal): Promise<readonly Buffer[] | undefined> => {
    const read = () => abandonable(Promise.all(files.map(readRegularFile)), signal)
    for (let contents = await read(); ; ) {
      const version = versionOf(contents)
      if (version === versionInUse) return undefined
      await clock.sleep(Math.min(every, longestQuietTime), signal)
      contents = await read()
      if (versionOf(contents) === version) return contents
    }
  }

  const check = async (signal: AbortSignal): Promise<void> => {
    const contents = await newContents(signal)
    if (contents) {
      if (await load(contents)) bus.log('info', `Reloaded the ${content}`)
      return
    }
    if (reported !== undefined) bus.log('info', `Recovered: read the unchanged ${content}`)
    reported = undefined
  }

  if (files.length > 0 && every > 0) {
    const checkAndReport = ({ signal }: { signal: AbortSignal }) =>
      check(signal).then(
        () => report?.(),
        (error) => {
          if (!(error instanceof UnusableFile)) throw error // logged by the loop
          report?.(error)
          if (error.message !== reported) bus.log('warn', `Failed to reload the ${content}: ${error.message}`)
          reported = error.message
        },
      )
    backgroundLoop(bus, checkAndReport, { every, name: `check of the ${content}`, clock })
  }
  return async () => {
    try {
      await load(await Promise.all(files.map(readOptionFile)))
      report?.()
    } catch (error) {
      if (error instanceof UnusableFile) {
        reported = error.message // logged by the bus
        report?.(error)
      }
      throw error
    }
  }
}

function versionOf(contents: readonly Buffer[]): string {
  return contents.map((bytes) => hash('sha256', bytes)).join()
}

/** Returns the result, unless the signal aborts before: reads of a file system that does not respond never end. */
async function abandonable<Result>(result: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abandon = () => reject(signal.reason)
  signal.addEventListener('abort', abandon)
  try {
    return await Promise.race([result, aborted])
  } finally {
    signal.removeEventListener('abort', abandon)
  }
}
