/** Which container and project this is: answers `identity.get`. */
import { request } from 'undici'
import { messageOf } from '../bus/errors.ts'
import type { Subscriber } from '../bus/process-bus.ts'
import { getIdentity } from '../channels.ts'

export interface IdentityOptions {
  /** Link to the image; without it ECS is asked, where there is one, and else the package's own is given. */
  readonly container?: string | undefined
  /** Link to the repository. */
  readonly project: string
  /** The image that the package is published as. */
  readonly image: string
  /** Base of the task metadata endpoint, version 4, that ECS puts into `ECS_CONTAINER_METADATA_URI_V4`. */
  readonly ecsMetadataUri?: string | undefined
}

/** ECS answers from the same host. In milliseconds. */
const patience = 1_000

export const identity =
  ({ container, project, image, ecsMetadataUri }: IdentityOptions): Subscriber =>
  (bus) => {
    bus.provide(getIdentity, async () => {
      if (container) return { container, project }
      if (!ecsMetadataUri) return { container: image, project }
      try {
        return { container: await ecsImage(ecsMetadataUri), project }
      } catch (error) {
        bus.log('warn', `ECS does not tell which image this is: ${messageOf(error)}`, { err: error })
        return { container: image, project }
      }
    })
  }

/** https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html */
async function ecsImage(uri: string): Promise<string> {
  const { statusCode, body } = await request(uri, { signal: AbortSignal.timeout(patience) })
  const metadata: unknown = await body.json()
  const image = (metadata as { Image?: unknown } | null)?.Image
  if (statusCode !== 200 || typeof image !== 'string') throw new Error(`no image in the answer, status ${statusCode}`)
  return image
}
