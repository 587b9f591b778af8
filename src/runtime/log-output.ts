/** Writes log lines to stdout without waiting for its reader. */
import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

/** The lines that were lost, because the buffer was full or stdout could not be written. */
export interface DroppedLines {
  readonly audit: number
  readonly other: number
}

interface Line {
  readonly text: string
  readonly kind: keyof DroppedLines
}

/** The size of the buffer while stdout accepts no more, in bytes. */
const capacity = 8 * 1024 * 1024

/** The size of the other lines that are dropped at a time in favor of audit lines, in bytes. */
const eviction = 1024 * 1024

/** The longest time that a line stays in the buffer while stdout accepts more, in milliseconds. */
const flushInterval = 50

/** The size at which the buffer is written before the interval ends, in bytes. */
const flushSize = 16 * 1024

/** Lines are written in chunks of about this size, in bytes. */
const chunkSize = 64 * 1024

/** Time to wait for the reader when the process exits without `end`, in milliseconds. */
const exitTimeout = 1_000

export class LogOutput {
  /** Receives the lines lost since the last call, as soon as everything else has been written. */
  onDrained: (dropped: DroppedLines) => void = () => {}
  readonly #fd: number
  readonly #block: boolean
  #lines: Line[] = []
  /** The unwritten rest of the current chunk, and the lines of that chunk. */
  #chunk = Buffer.alloc(0)
  #chunkLines: readonly Line[] = []
  /** Bytes in the buffer, chunk included. */
  #size = 0
  #others = 0
  /** Whether stdout was full at the last write. */
  #full = false
  #retryDelay = 1
  #scheduled = false
  #ended = false
  readonly #dropped = { audit: 0, other: 0 }
  #reported: DroppedLines = { audit: 0, other: 0 }

  /**
   * @param whenFull what to do if stdout is not read: drop lines once the buffer is full, audit lines last, or block
   *   the process until they are written
   */
  constructor(whenFull: 'drop' | 'block', fd = nonBlockingStdout()) {
    this.#fd = fd
    this.#block = whenFull === 'block'
    process.once('exit', () => this.end(exitTimeout))
  }

  get dropped(): DroppedLines {
    return { ...this.#dropped }
  }

  write(text: string): void {
    this.#add({ text, kind: 'other' })
  }

  writeAudit(text: string): void {
    this.#add({ text, kind: 'audit' })
  }

  /** Writes the buffer. Waits for the reader, but no longer than `ms` milliseconds, and only the first time. */
  end(ms: number): void {
    const deadline = performance.now() + (this.#ended ? 0 : ms)
    this.#ended = true
    while (!this.flush() && performance.now() < deadline) sleep(10)
  }

  #add(line: Line): void {
    const size = Buffer.byteLength(line.text)
    if (this.#size + size > capacity && !this.#makeRoom(size, line)) {
      this.#dropped[line.kind] += 1
      return
    }
    this.#lines.push(line)
    this.#size += size
    if (line.kind === 'other') this.#others += 1
    if (this.#block && this.#size >= flushSize) while (!this.flush()) sleep(10)
    else if (this.#size >= flushSize && !this.#full) this.flush()
    this.#schedule(flushInterval)
  }

  /** Drops other lines in favor of an audit line, the oldest first. */
  #makeRoom(size: number, { kind }: Line): boolean {
    if (kind !== 'audit' || this.#others === 0) return false
    let freed = 0
    this.#lines = this.#lines.filter((line) => {
      if (line.kind === 'audit' || freed >= eviction) return true
      freed += Buffer.byteLength(line.text)
      this.#others -= 1
      this.#dropped.other += 1
      return false
    })
    this.#size -= freed
    return this.#size + size <= capacity
  }

  #schedule(ms: number): void {
    if (this.#scheduled || this.#size === 0) return
    this.#scheduled = true
    setTimeout(() => {
      this.#scheduled = false
      if (this.flush()) return
      this.#retryDelay = Math.min(2 * this.#retryDelay, flushInterval)
      this.#schedule(this.#retryDelay)
    }, ms).unref()
  }

  /** Writes what stdout accepts and returns whether that was all. */
  flush(): boolean {
    while (this.#size > 0) {
      if (this.#chunk.length === 0) this.#nextChunk()
      try {
        const written = writeSync(this.#fd, this.#chunk)
        this.#chunk = this.#chunk.subarray(written)
        this.#size -= written
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') {
          this.#full = true
          return false
        }
        // The reader has closed stdout, or the disk is full.
        this.#dropChunk()
        continue
      }
      this.#full = false
      this.#retryDelay = 1
      if (this.#size === 0) this.#reportDropped()
    }
    return true
  }

  #nextChunk(): void {
    let size = 0
    const end = this.#lines.findIndex(({ text }) => {
      size += text.length
      return size > chunkSize
    })
    this.#chunkLines = this.#lines.splice(0, end < 0 ? this.#lines.length : Math.max(1, end))
    this.#others -= this.#chunkLines.filter(({ kind }) => kind === 'other').length
    this.#chunk = Buffer.from(this.#chunkLines.map(({ text }) => text).join(''))
  }

  /** Drops the lines of the chunk that have not been written, or only in part. */
  #dropChunk(): void {
    let unwritten = this.#chunk.length
    this.#size -= unwritten
    this.#chunk = Buffer.alloc(0)
    for (const { text, kind } of this.#chunkLines.toReversed()) {
      if (unwritten <= 0) return
      this.#dropped[kind] += 1
      unwritten -= Buffer.byteLength(text)
    }
  }

  #reportDropped(): void {
    const audit = this.#dropped.audit - this.#reported.audit
    const other = this.#dropped.other - this.#reported.other
    this.#reported = this.dropped
    if (audit + other > 0) this.onDrained({ audit, other })
  }
}

/**
 * Opens a pipe or terminal again, because `O_NONBLOCK` would otherwise apply to every process that shares it, such as
 * npm or a shell. Sockets and files of other users cannot be opened again; Node.js sets the flag on these.
 */
function nonBlockingStdout(): number {
  const stdout = fstatSync(1)
  if (!stdout.isFIFO() && !stdout.isSocket() && !isatty(1)) return 1
  try {
    return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    void process.stdout
    return 1
  }
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
