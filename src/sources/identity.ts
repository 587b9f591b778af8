/** Provides `identity.get`: the image and repository links in `/health`. */
import { messageOf } from '../bus/errors.ts'
import type { Subscriber } from '../bus/process/process-bus.ts'
import { getIdentity } from '../channels.ts'
import { upstream } from './upstream/upstream.ts'

export interface IdentityOptions {
  /** Link to the image; by default the one in the ECS metadata, otherwise the one in package.json. */
  readonly container?: string | undefined
  /** Link to the repository; by default the one in package.json. */
  readonly project?: string | undefined
  /** Task metadata endpoint, version 4, which ECS passes in `ECS_CONTAINER_METADATA_URI_V4`. */
  readonly ecsMetadataUri?: string | undefined
}

/** In milliseconds. Short, because the endpoint is on the same host. */
const metadataTimeout = 1_000

export const identity =
  ({ container, project, ecsMetadataUri }: IdentityOptions): Subscriber =>
  (bus) => {
    const imageOnEcs = async (uri: string) => {
      try {
        return await ecsImage(uri)
      } catch (error) {
        bus.log('warn', `Failed to read the image from the ECS metadata: ${messageOf(error)}`)
        return undefined
      }
    }

    bus.provide(getIdentity, async () => ({
      container: container ?? (ecsMetadataUri && (await imageOnEcs(ecsMetadataUri))) ?? bus.service.container,
      project: project ?? bus.service.homepage,
    }))
  }

/** https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html */
async function ecsImage(uri: string): Promise<string> {
  const { origin, pathname } = new URL(uri)
  const metadata = upstream({ origin, timeout: metadataTimeout })
  try {
    const { body } = await metadata.request(pathname)
    const image = (body as { Image?: unknown } | null)?.Image
    if (typeof image !== 'string' || !image) throw new Error('no image in the response')
    return image
  } finally {
    await metadata.close()
  }
}
