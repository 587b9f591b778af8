/**
 * The services that hand out temporary credentials, as far as the AWS SDK asks them. Whatever nobody may see of these says
 * that it is classified.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'

export interface Metadata {
  /** How a server answers that gives out this document. */
  readonly answer: (document: string) => RequestListener
  /** The environment that makes the SDK ask the server at this URL. */
  readonly env: (endpoint: string) => NodeJS.ProcessEnv
}

export const secretAccessKey = 'classified-key'
export const sessionTokenOf = (accessKeyId: string): string => `classified-token-of-${accessKeyId}`

/**
 * The document about credentials.
 * @param lifetime how long they are good from now on, in milliseconds
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

/** What the metadata of a container want to see of whoever asks. */
export const containerToken = 'classified-authorization'

/**
 * Of a container. On ECS itself the variable is AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, a path on an address of ECS's own
 * (169.254.170.2), and there is no token; what the SDK makes of it is the same.
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
 * Of an instance that insists on version 2: nothing without the token of a session, and that only to a PUT which says for
 * how long.
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

/** Answers as AWS STS does to whoever wants a role for a web identity. */
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
