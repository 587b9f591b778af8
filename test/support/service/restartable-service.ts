/** A service in a child process that can be restarted on the same port. */
import { onTestFinished } from 'vitest'
import { steadyPort } from '../http/haproxy.ts'
import { startService } from './process.ts'

export interface RestartableService {
  readonly port: number
  /** Shuts it down with SIGTERM, and resolves to the exit code. */
  stop(): Promise<number | NodeJS.Signals>
  /** Resolves when the process has started. */
  restart(): Promise<void>
}

/** Starts the service. It is killed when the test ends. */
export async function startRestartable(args: readonly string[], env: NodeJS.ProcessEnv): Promise<RestartableService> {
  const port = await steadyPort()
  const start = () => startService(['--port', `${port}`, ...args], env)
  let running = start()
  onTestFinished(async () => {
    running.child.kill('SIGKILL')
    await running.exited
  })
  await running.line(/Bus STARTED/)
  return {
    port,
    stop: () => {
      running.child.kill('SIGTERM')
      return running.exited
    },
    restart: async () => {
      running = start()
      await running.line(/Bus STARTED/)
    },
  }
}
