/** Which container and project this is: answers `identity.get`. */
import { messageOf } from '../bus/errors.ts'
import type { Subscriber } from '../bus/process/process-bus.ts'
import { getIdentity, type Identity } from '../channels.ts'

export interface IdentityOptions {
  /** Link to the image; without it ECS is asked, where there is one, and else the package's own is given. */
  readonly container?: string | undefined
  /** Link to the repository; the package's own when not given. */
  readonly project?: string | undefined
  /** What the package says of itself. */
  readonly own: Identity
  /** Base of the task metadata endpoint, version 4, that ECS puts into `ECS_CONTAINER_METADATA_URI_V4`. */
  readonly ecsMetadataUri?: string | undefined
}

/** ECS answers from the same host. In milliseconds. */
const metadataTimeout = 1_000

export const identity =
  ({ container, project, own, ecsMetadataUri }: IdentityOptions): Subscriber =>
  (bus) => {
    const imageOnEcs = async (uri: string) => {
      try {
        return await ecsImage(uri)
      } catch (error) {
        bus.log('warn', `ECS does not tell which image this is: ${messageOf(error)}`)
        return undefined
      }
    }

    bus.provide(getIdentity, async () => ({
      container: container ?? (ecsMetadataUri && (await imageOnEcs(ecsMetadataUri))) ?? own.container,
      project: project ?? own.project,
    }))
  }

/** https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html */
async function ecsImage(uri: string): Promise<string> {
  const { request } = await import('undici') // which nobody else may need
  const { statusCode, body } = await request(uri, { signal: AbortSignal.timeout(metadataTimeout) })
  const metadata: unknown = await body.json()
  const image = (metadata as { Image?: unknown } | null)?.Image
  if (statusCode !== 200 || typeof image !== 'string' || !image)
    throw new Error(`no image in the answer, status ${statusCode}`)
  return image
}
