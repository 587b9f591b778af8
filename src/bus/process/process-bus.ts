/**
 * The process as a state machine on a bus. Listeners of the `lifecycle` channels do the work of each transition; this
 * class decides when they run. The process begins in STOPPED, and from every state `exit()` leads to EXITING:
 * ```
 *        ┌─────────────────────── start() ───────────────────────┐
 *        ▼                                                       │
 *     STARTING ──▶ STARTED ── stop() ──▶ STOPPING ──▶ STOPPED ───┤
 *        │            │                      ▲                   │
 *        │ fails      │ exit()               │                   │ exit()
 *        │ or exit()  │                      │                   ▼
 *        └────────────┴──────────────────────┘                EXITING
 * ```
 */
import { Bus } from '../bus.ts'
import { checkDuration } from '../call.ts'
import { codeOf, Exiting, MissingProviders } from '../errors.ts'
import { outputsOf, type SettledOutput, SettledOutputs } from '../outcomes.ts'
import { lifecycle, type State } from './lifecycle.ts'
import { Serial } from './serial.ts'
import { type Manifest, type ServiceInfo, serviceInfo } from './service-info.ts'
import { ShutdownDeadline } from './shutdown-deadline.ts'
import { singleFlight } from './single-flight.ts'

/** A component of the service: a function that receives the bus to subscribe, provide and declare its requests. */
export interface Subscriber {
  (bus: ProcessBus): void
  /** Whether a service must not leave it out; see `mandatory`. */
  readonly mandatory?: true
}

/** Marks a subscriber that protects the service, so that operators cannot leave it out. */
export function mandatory(subscriber: (bus: ProcessBus) => void): Subscriber {
  return Object.assign((bus: ProcessBus) => subscriber(bus), { mandatory: true as const })
}

/** `EX_SOFTWARE` of sysexits.h. */
const softwareFailure = 70

/** Time after the shutdown timeout by which the process has ended, even if a thread is blocked, in milliseconds. */
const timeToEnd = 2_000

/**
 * Transitions run one after another, in the order of the calls. A listener of one must not await another, because that
 * would be a deadlock.
 */
export class ProcessBus extends Bus {
  /** The name and version of the service, and the names derived from them. */
  readonly service: ServiceInfo
  // One object shared by all views of the bus; assigning a property of the bus would set it on one view alone.
  private readonly life: {
    state: State
    exiting?: Promise<number>
    /** A reload that is queued and has not started. */
    reload?: Promise<SettledOutput<unknown>[]> | undefined
    /** The requested exit code. */
    code: number
    /** When `exit` was called first, on the clock of `performance.now()`. */
    exitingSince?: number
  } = { state: 'STOPPED', code: 0 }
  private readonly transitions = new Serial()
  private readonly sharedStart = singleFlight(() => this.startOrExit())
  private readonly sharedStop = singleFlight(() => this.transitions.run(() => this.runStop()))
  private readonly shutdownDeadline = new ShutdownDeadline()
  private readonly shutdownTimeout: number
  private readonly reloadTimeout: number

  /**
   * @param options.shutdownTimeout time limit of an exit in milliseconds; 10 s by default
   * @param options.reloadTimeout time limit of each listener of a reload in milliseconds; 30 s by default
   * @param options.service the name and version of the service; `service` and `0.0.0` by default
   * @throws RangeError if a duration is invalid; TypeError if the name of the service is
   */
  constructor(
    options: {
      readonly shutdownTimeout?: number
      readonly reloadTimeout?: number
      readonly service?: Manifest
    } = {},
  ) {
    super()
    this.service = serviceInfo(options.service ?? { name: 'service', version: '0.0.0' })
    const { shutdownTimeout = 10_000, reloadTimeout = 30_000 } = options
    checkDuration(shutdownTimeout)
    checkDuration(reloadTimeout)
    this.shutdownTimeout = shutdownTimeout
    this.reloadTimeout = reloadTimeout
    const { start, stop, graceful, exit, state } = lifecycle
    this.use('process', (bus) => {
      for (const channel of [start, stop, graceful, exit]) bus.publisher(channel)
      bus.publisher(state)
    })
  }

  get state(): State {
    return this.life.state
  }

  /** Whether `exit` has been called, even if another transition is still in progress. */
  get exiting(): boolean {
    return this.life.exiting !== undefined
  }

  /** The time that remains for the caller of `exit` to end the process, in milliseconds; see `exit`. */
  get timeToEnd(): number {
    const spent = performance.now() - (this.life.exitingSince ?? performance.now())
    return Math.max(0, this.shutdownTimeout + timeToEnd - spent)
  }

  /**
   * Runs the start listeners, one after another. If one fails, the process exits and the remaining ones do not run, so
   * that no port opens on a partially started service. (CherryPy runs the rest.)
   * @throws MissingProviders before any listener has run, if a declared request has no provider; the error of the
   *   listener that failed; Exiting if `exit` is called before the start has finished
   */
  start(): Promise<void> {
    return this.sharedStart()
  }

  /**
   * Runs all stop listeners, in reverse order of subscription within a priority.
   * @throws ChannelFailures if any failed; the process is stopped nevertheless
   */
  stop(): Promise<void> {
    return this.sharedStop()
  }

  /**
   * Publishes `lifecycle.graceful` if the process is started, so that subscribers reload their data. Calls made while a
   * reload is queued share it. A reload in progress is not shared, because it may have read its data before the call.
   * The reload timeout applies to each listener separately, so one that hangs neither shortens the time of the others
   * nor blocks later reloads.
   * @returns the outputs of the listeners; empty if the process is not started
   * @throws ChannelFailures if any failed; the process stays started nevertheless
   */
  async graceful(): Promise<unknown[]> {
    return outputsOf(lifecycle.graceful.name, await this.gracefulSettled())
  }

  /**
   * Like `graceful`, but reports the outcome of each listener with the listener's name instead of rejecting.
   * @returns the outcomes in the order of delivery; empty if the process is not started
   */
  gracefulSettled(): Promise<SettledOutput<unknown>[]> {
    if (this.life.reload) return this.life.reload
    let queued = true
    const reload = this.transitions.run(() => {
      queued = false
      this.life.reload = undefined
      return this.runGraceful()
    })
    if (queued) this.life.reload = reload
    return reload
  }

  /**
   * Stops, then runs the exit listeners, within the shutdown timeout: a listener that is still running after that
   * time is named in the log and abandoned. It does not end the process; the caller does, with the returned code, and
   * within `timeToEnd`.
   * @param code a whole number from 0 to 255
   * @returns the exit code: the first non-zero one requested; otherwise 70 if a listener failed or was abandoned or the
   *   process was still starting; otherwise 0
   * @throws RangeError, as a rejection, if the code is invalid; the error is logged and the process exits with 70
   */
  exit(code = 0): Promise<number> {
    if (!(Number.isInteger(code) && code >= 0 && code <= 255)) return this.refuseExitCode(code)
    this.life.code ||= code
    if (this.life.exiting) return this.life.exiting
    this.life.exitingSince = performance.now()
    const { promise, resolve } = Promise.withResolvers<number>()
    this.life.exiting = promise
    resolve(this.runExit())
    return promise
  }

  /**
   * Resolves when the process enters the state, or one of the states; immediately if it is already in it.
   * @throws Exiting if the process exits without entering it; the reason of the signal if that aborts
   */
  async wait(wanted: State | readonly State[], options: { readonly signal?: AbortSignal } = {}): Promise<State> {
    const { signal } = options
    const states = [wanted].flat()
    const { promise, resolve, reject } = Promise.withResolvers<State>()
    const check = (state: State) => {
      if (states.includes(state)) resolve(state)
      else if (state === 'EXITING') reject(new Exiting())
    }
    const abort = () => reject(signal?.reason)
    const unsubscribe = this.subscribe(lifecycle.state, check, { name: 'wait' })
    signal?.addEventListener('abort', abort)
    check(this.state)
    if (signal?.aborted) abort()
    return promise.finally(() => {
      unsubscribe()
      signal?.removeEventListener('abort', abort)
    })
  }

  private async startOrExit(): Promise<void> {
    try {
      await this.transitions.run(() => this.runStart())
    } catch (error) {
      await this.exit(codeOf(error) === 'BUS_EXITING' ? 0 : softwareFailure)
      throw error
    }
  }

  private async runStart(): Promise<void> {
    if (this.exiting) throw new Exiting()
    if (this.state === 'STARTED') return
    this.enter('STARTING')
    this.checkProviders()
    for (const listener of this.subscriptions(lifecycle.start)) {
      if (this.exiting) throw new Exiting()
      await this.delivery.callListener(lifecycle.start, listener, undefined, this.shutdownDeadline)
    }
    if (this.exiting) throw new Exiting()
    this.enter('STARTED')
  }

  private async runStop(): Promise<void> {
    if (this.state === 'EXITING') return
    this.enter('STOPPING')
    try {
      await this.publish(lifecycle.stop, undefined, this.shutdownDeadline)
    } finally {
      this.enter('STOPPED')
    }
  }

  private async runGraceful(): Promise<SettledOutput<unknown>[]> {
    if (this.state !== 'STARTED' || this.exiting) return []
    this.log('info', 'Bus graceful')
    const listeners = this.subscriptions(lifecycle.graceful).map((listener) => ({
      ...listener,
      timeout: Math.min(listener.timeout, this.reloadTimeout),
    }))
    return this.delivery.publish(
      lifecycle.graceful,
      listeners,
      undefined,
      this.shutdownDeadline,
      new SettledOutputs<unknown>(),
    )
  }

  private async runExit(): Promise<number> {
    const started = this.state !== 'STARTING'
    this.shutdownDeadline.begin(this.shutdownTimeout)
    const stopped = await succeeds(this.stop())
    const exited = await succeeds(
      this.transitions.run(() => {
        this.enter('EXITING')
        return this.publish(lifecycle.exit, undefined, this.shutdownDeadline)
      }),
    )
    this.shutdownDeadline.end()
    this.log('info', 'Bus EXITED')
    const clean = started && stopped && exited && !this.shutdownDeadline.passed
    return this.life.code || (clean ? 0 : softwareFailure)
  }

  /** Exits with a failure, because the caller expects the process to end. */
  private refuseExitCode(code: unknown): Promise<never> {
    // Other values may be errors that quote a secret, so only their type is reported.
    const received = typeof code === 'number' ? code : typeof code
    const error = new RangeError(`exit code must be a whole number from 0 to 255, received ${received}`)
    this.log('error', error.message, { err: error })
    void this.exit(softwareFailure)
    const refused = Promise.reject(error)
    // Most callers do not await an exit, and signals.ts would log the unhandled rejection again.
    refused.catch(() => {})
    return refused
  }

  private enter(state: State): void {
    this.life.state = state
    this.log('info', `Bus ${state}`)
    // Listeners do not delay the transition. A failure is logged where it occurs.
    this.publish(lifecycle.state, state).catch(() => {})
  }

  private checkProviders(): void {
    const missing = this.missingProviders()
    if (missing.length === 0) return
    const error = new MissingProviders(missing)
    this.log('error', `Failed to start: ${error.message}`, { err: error })
    throw error
  }
}

async function succeeds(transition: Promise<unknown>): Promise<boolean> {
  try {
    await transition
    return true
  } catch {
    return false
  }
}
