/** A substitute for DynamoDB that counts requests. It answers each with the secret, or fails during an outage. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface CountingTable {
  readonly endpoint: string
  /** Returns the number of requests since the previous call. */
  taken(): number
  /** Whether there is an outage, during which every request is answered with 500. */
  out: boolean
  close(): void
}

const headers = { 'content-type': 'application/x-amz-json-1.0' }
const item = JSON.stringify({ Item: { code_name: { S: 'thedoctor' }, secret_code: { S: 'the secret of thedoctor' } } })
const fault = JSON.stringify({ __type: 'com.amazonaws.dynamodb.v20120810#InternalServerError' })

export async function startCountingTable(): Promise<CountingTable> {
  let calls = 0
  const server = createServer((request, response) => {
    calls += 1
    request.resume()
    response.writeHead(table.out ? 500 : 200, headers).end(table.out ? fault : item)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a string only for a pipe
  const table: CountingTable = {
    endpoint: `http://127.0.0.1:${port}`,
    out: false,
    taken: () => {
      const taken = calls
      calls = 0
      return taken
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
  return table
}
