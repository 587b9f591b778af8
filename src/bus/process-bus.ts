/**
 * The process as a state machine on a bus. What is done in a transition is subscribed to the channels of `lifecycle`;
 * here is only when. The process begins STOPPED, and from everywhere `exit()` leads by STOPPING to EXITING:
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
import { Bus } from './bus.ts'
import { checkDuration } from './call.ts'
import { deferred } from './deferred.ts'
import { Exiting, UnmetNeeds } from './errors.ts'
import { lifecycle, type State } from './lifecycle.ts'
import { Patience } from './patience.ts'
import { Serial } from './serial.ts'
import { SingleFlight } from './single-flight.ts'

/** What everything on the bus is: a function that is handed the bus, to subscribe, provide and declare its needs. */
export type Subscriber = (bus: ProcessBus) => void

/** `EX_SOFTWARE` of sysexits.h. */
const failed = 70

/**
 * Transitions run one after another, in the order they were asked for. A listener of one must not await another: it would
 * wait for itself.
 */
export class ProcessBus extends Bus {
  // One object that all views of the bus share; a property of the bus itself would be set on a view alone.
  private readonly life: {
    state: State
    exiting?: Promise<number>
    /** A reload that has been asked for and has not begun. */
    reload?: Promise<unknown[]> | undefined
    /** What the process will exit with if all goes well. */
    code: number
  } = { state: 'STOPPED', code: 0 }
  private readonly transitions = new Serial()
  private readonly starts = new SingleFlight<void>()
  private readonly stops = new SingleFlight<void>()
  private readonly patience = new Patience()
  private readonly shutdownTimeout: number

  /** @param options.shutdownTimeout how long an exit may take, in milliseconds; 10 s when not given */
  constructor(options: { readonly shutdownTimeout?: number } = {}) {
    super()
    const { shutdownTimeout = 10_000 } = options
    checkDuration(shutdownTimeout)
    this.shutdownTimeout = shutdownTimeout
    const { start, stop, graceful, exit, state } = lifecycle
    this.use('process', (bus) => {
      for (const channel of [start, stop, graceful, exit]) bus.publisher(channel)
      bus.publisher(state)
    })
  }

  get state(): State {
    return this.life.state
  }

  /** Whether the process was told to exit, also while it still waits for another transition. */
  get exiting(): boolean {
    return this.life.exiting !== undefined
  }

  /**
   * Runs the start listeners, one after another, until one fails. Then the process exits, and those after it never run,
   * so that no port opens on a service that is half there. (CherryPy runs the rest.)
   * @throws UnmetNeeds before any has run, if a declared request has no provider; what the listener failed with;
   *   Exiting if the process is told to exit before it has started
   */
  start(): Promise<void> {
    return this.starts.run(async () => {
      try {
        await this.transitions.run(() => this.runStart())
      } catch (error) {
        await this.exit(error instanceof Exiting ? 0 : failed)
        throw error
      }
    })
  }

  /**
   * Runs all stop listeners, in reverse order of subscription within a priority.
   * @throws ChannelFailures if any failed; the process is stopped all the same
   */
  stop(): Promise<void> {
    return this.stops.run(() => this.transitions.run(() => this.runStop()))
  }

  /**
   * Has everybody reload what they hold, if the process is started. Who asks while a reload waits for its turn is given that
   * one, which will read whatever has changed by now; one that has begun may have read before.
   * @returns what the listeners answered
   * @throws ChannelFailures if any failed; the process goes on all the same
   */
  graceful(): Promise<unknown[]> {
    if (this.life.reload) return this.life.reload
    let waits = true
    const reload = this.transitions.run(() => {
      waits = false
      this.life.reload = undefined
      return this.runGraceful()
    })
    if (waits) this.life.reload = reload
    return reload
  }

  /**
   * Stops, then runs the exit listeners. It takes as long as the shutdown timeout at most: a listener that runs when
   * that is over is named in the log and left behind.
   * @returns the exit code: the first one other than 0 that was asked for, else 70 if a listener failed or was left
   *   behind or the process was still starting, else 0. It is the caller who ends the process with it.
   */
  exit(code = 0): Promise<number> {
    this.life.code ||= code
    if (this.life.exiting) return this.life.exiting
    const { promise, resolve } = deferred<number>()
    this.life.exiting = promise
    resolve(this.runExit())
    return promise
  }

  /**
   * Resolves when the process is in the state, or in one of the states; at once if it is there already.
   * @throws Exiting when it never will be; the reason of the signal when that aborts
   */
  async wait(wanted: State | readonly State[], options: { readonly signal?: AbortSignal } = {}): Promise<State> {
    const { signal } = options
    const states = [wanted].flat()
    const { promise, resolve, reject } = deferred<State>()
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

  private async runStart(): Promise<void> {
    if (this.exiting) throw new Exiting()
    if (this.state === 'STARTED') return
    this.enter('STARTING')
    this.checkNeeds()
    for (const listener of this.roll(lifecycle.start)) {
      if (this.exiting) throw new Exiting()
      await this.delivery.callListener(lifecycle.start, listener, undefined, this.patience)
    }
    if (this.exiting) throw new Exiting()
    this.enter('STARTED')
  }

  private async runStop(): Promise<void> {
    if (this.state === 'EXITING') return
    this.enter('STOPPING')
    try {
      await this.publish(lifecycle.stop, undefined, this.patience)
    } finally {
      this.enter('STOPPED')
    }
  }

  private async runGraceful(): Promise<unknown[]> {
    if (this.state !== 'STARTED' || this.exiting) return []
    this.log('info', 'Bus graceful')
    return this.publish(lifecycle.graceful, undefined, this.patience)
  }

  private async runExit(): Promise<number> {
    const started = this.state !== 'STARTING'
    this.patience.begin(this.shutdownTimeout)
    const stopped = await succeeds(this.stop())
    const exited = await succeeds(
      this.transitions.run(() => {
        this.enter('EXITING')
        return this.publish(lifecycle.exit, undefined, this.patience)
      }),
    )
    this.patience.end()
    this.log('info', 'Bus EXITED')
    const clean = started && stopped && exited && !this.patience.over
    return this.life.code || (clean ? 0 : failed)
  }

  private enter(state: State): void {
    this.life.state = state
    this.log('info', `Bus ${state}`)
    // Nobody holds a transition up. What fails was logged where it happened.
    this.publish(lifecycle.state, state).catch(() => {})
  }

  private checkNeeds(): void {
    const needs = this.unmetNeeds()
    if (needs.length === 0) return
    const error = new UnmetNeeds(needs)
    this.log('error', `Cannot start: ${error.message}`, { err: error })
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
