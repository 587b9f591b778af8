/** A DynamoDB that gives its one secret to anybody, and remembers who signed the request. */
import type { IncomingMessage } from 'node:http'
import { saying, startFaultyServer } from '../http/faulty-server.ts'
import { sessionTokenOf } from './metadata-server.ts'

/** What is seen in a request of the credentials that it was signed with. */
export interface Signature {
  readonly accessKeyId: unknown
  readonly region: unknown
  /** Of temporary credentials alone. */
  readonly sessionToken: unknown
}

export interface SignedReads {
  readonly endpoint: string
  /** Of all requests so far. */
  signatures(): Signature[]
}

export const region = 'eu-central-1'
export const storedSecret = 'allons-y'

/** Starts it; it is closed when the test is finished. */
export async function startSignedReads(): Promise<SignedReads> {
  const { endpoint, requests } = await startFaultyServer(saying(`{"Item":{"secret_code":{"S":"${storedSecret}"}}}`))
  return { endpoint, signatures: () => requests.map(signatureOf) }
}

/** The signature with credentials of a metadata server. */
export const temporary = (accessKeyId: string): Signature => {
  return { accessKeyId, region, sessionToken: sessionTokenOf(accessKeyId) }
}

/** The signature with credentials that last. */
export const lasting = (accessKeyId: string): Signature => ({ accessKeyId, region, sessionToken: undefined })

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html */
function signatureOf({ headers }: IncomingMessage): Signature {
  const scope = /Credential=([^/]+)\/\d+\/([^/]+)\/dynamodb\/aws4_request,/.exec(headers.authorization ?? '')
  return { accessKeyId: scope?.[1], region: scope?.[2], sessionToken: headers['x-amz-security-token'] }
}
