/** The service in a child process that ends with the test. */
import { onTestFinished } from 'vitest'
import { type ServiceProcess, startService } from './process.ts'

/** Calls `startService`, with a free port by default, and kills the process when the test has finished. */
export function startTestService(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  program?: string,
  descriptors?: number,
  cwd?: string,
): ServiceProcess {
  const service = startService(
    args.includes('--port') ? args : [...args, '--port', '0'],
    env,
    program,
    descriptors,
    cwd,
  )
  onTestFinished(async () => {
    service.child.kill('SIGKILL')
    await service.exited
  })
  return service
}
