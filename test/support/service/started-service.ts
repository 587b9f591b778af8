/** The service in a child process that ends with the test. */
import { onTestFinished } from 'vitest'
import { type ServiceProcess, startService } from './process.ts'

/** Starts the service like `startService`, on a free port by default, and kills it when the test has finished. */
export function startedService(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  program?: string,
  descriptors?: number,
): ServiceProcess {
  const service = startService(args.includes('--port') ? args : [...args, '--port', '0'], env, program, descriptors)
  onTestFinished(async () => {
    service.child.kill('SIGKILL')
    await service.exited
  })
  return service
}
