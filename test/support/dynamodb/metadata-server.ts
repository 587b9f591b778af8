/**
 * Emulates the services that issue temporary credentials, as far as the AWS SDK uses them. All confidential values
 * contain the word "classified".
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'

export interface Metadata {
  /** Returns a request listener that serves this document. */
  readonly answer: (document: string) => RequestListener
  /** The environment that makes the SDK use the server at this URL. */
  readonly env: (endpoint: string) => NodeJS.ProcessEnv
}

export const secretAccessKey = 'classified-key'
export const sessionTokenOf = (accessKeyId: string): string => `classified-token-of-${accessKeyId}`

/**
 * Creates a credentials document.
 * @param lifetime validity from now on, in milliseconds
 */
export function credentialsDocument(accessKeyId: string, lifetime = 3_600_000): string {
  const expiration = new Date(Date.now() + lifetime).toISOString()
  return JSON.stringify({
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: sessionTokenOf(accessKeyId),
    Expiration: expiration,
  })
}

/** The authorization token that the container metadata requires. */
export const containerToken = 'classified-authorization'

/**
 * Container metadata. ECS itself sets AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, a path on 169.254.170.2, and uses no
 * token; the SDK handles both in the same way.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 */
export const container: Metadata = {
  answer:
    (document) =>
    ({ headers }, response) => {
      if (headers.authorization === containerToken) response.end(document)
      else response.writeHead(401).end()
    },
  env: (endpoint) => ({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${endpoint}/v1/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: containerToken,
  }),
}

/**
 * Instance metadata, version 2 only: requests require a session token, which a PUT with a TTL returns.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
 */
export const instance: Metadata = {
  answer: (document) => {
    const session = randomUUID()
    const roles = '/latest/meta-data/iam/security-credentials/'
    const documents = new Map([
      [roles, 'the-role'],
      [`${roles}the-role`, document],
    ])
    const reply = ({ method, url = '', headers }: IncomingMessage): [status: number, body?: string | undefined] => {
      if (url === '/latest/api/token') {
        if (method !== 'PUT') return [405]
        return headers['x-aws-ec2-metadata-token-ttl-seconds'] ? [200, session] : [400]
      }
      if (headers['x-aws-ec2-metadata-token'] !== session) return [401]
      return documents.has(url) ? [200, documents.get(url)] : [404]
    }
    return (request, response) => {
      const [status, body] = reply(request)
      response.writeHead(status).end(body)
    }
  },
  env: (endpoint) => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint, AWS_EC2_METADATA_DISABLED: undefined }),
}

/** Responds like AWS STS to AssumeRoleWithWebIdentity. */
export function webIdentityAnswer(accessKeyId: string): RequestListener {
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = JSON.parse(credentialsDocument(accessKeyId))
  const key = `<AccessKeyId>${AccessKeyId}</AccessKeyId><SecretAccessKey>${SecretAccessKey}</SecretAccessKey>`
  const session = `<SessionToken>${Token}</SessionToken><Expiration>${Expiration}</Expiration>`
  const result = `<Credentials>${key}${session}</Credentials>`
  const action = 'AssumeRoleWithWebIdentity'
  return (_, response) => {
    response.writeHead(200, { 'content-type': 'text/xml' })
    response.end(`<${action}Response><${action}Result>${result}</${action}Result></${action}Response>`)
  }
}
