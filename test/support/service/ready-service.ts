/** Starts the service with the emulator in this process, and returns it when it is ready. */
import { expect } from 'vitest'
import { assembleService } from './assemble-service.ts'

export async function startReadyService(
  flags: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
) {
  const service = await assembleService({ embedded: 'true', ...flags }, environment)
  await service.bus.start()
  const origin = service.origin()
  await expect.poll(async () => (await fetch(`${origin}/ready`)).status).toBe(200)
  return { ...service, origin }
}
