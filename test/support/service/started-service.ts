/** A process that ends with the test that started it. */
import { onTestFinished } from 'vitest'
import { type ServiceProcess, startService } from './process.ts'

/** Starts the service as `startService` does, on a free port if none is given. When the test is finished it is ended. */
export function startedService(args: readonly string[], env: NodeJS.ProcessEnv = {}, program?: string): ServiceProcess {
  const service = startService(args.includes('--port') ? args : [...args, '--port', '0'], env, program)
  onTestFinished(async () => {
    service.child.kill('SIGKILL')
    await service.exited
  })
  return service
}
