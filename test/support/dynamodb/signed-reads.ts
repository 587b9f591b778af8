/** A fake DynamoDB endpoint that accepts any signature, stores one secret, and records how requests are signed. */
import type { IncomingMessage } from 'node:http'
import { respondWith, startFaultyServer } from '../http/faulty-server.ts'
import { sessionTokenOf } from './metadata-server.ts'

/** The part of the credentials that a signed request shows. */
export interface Signature {
  readonly accessKeyId: unknown
  readonly region: unknown
  /** Of temporary credentials only. */
  readonly sessionToken: unknown
}

export interface SignedReads {
  readonly endpoint: string
  /** The signatures of all requests so far. */
  signatures(): Signature[]
}

export const region = 'eu-central-1'
export const storedSecret = 'allons-y'

/** Starts the server; it is closed when the test finishes. */
export async function startSignedReads(): Promise<SignedReads> {
  const { endpoint, requests } = await startFaultyServer(
    respondWith(`{"Item":{"secret_code":{"S":"${storedSecret}"}}}`),
  )
  return { endpoint, signatures: () => requests.map(signatureOf) }
}

/** The signature made with credentials of a metadata server. */
export const temporary = (accessKeyId: string): Signature => {
  return { accessKeyId, region, sessionToken: sessionTokenOf(accessKeyId) }
}

/** The signature made with long-term credentials. */
export const longTerm = (accessKeyId: string): Signature => ({ accessKeyId, region, sessionToken: undefined })

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html */
function signatureOf({ headers }: IncomingMessage): Signature {
  const scope = /Credential=([^/]+)\/\d+\/([^/]+)\/dynamodb\/aws4_request,/.exec(headers.authorization ?? '')
  return { accessKeyId: scope?.[1], region: scope?.[2], sessionToken: headers['x-amz-security-token'] }
}
