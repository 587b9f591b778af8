/** A real Redis server in a child process. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { createClient } from '@redis/client'
import { onTestFinished } from 'vitest'
import { steadyPort } from './http/haproxy.ts'

export const redisInstalled = spawnSync('redis-server', ['--version']).status === 0

/**
 * Starts a server without persistence. It is killed when the test ends.
 * @param args further arguments, such as `['--user', 'fleet', 'on', …]`
 */
export async function startRedis(args: readonly string[] = []) {
  const port = await steadyPort()
  let child: ChildProcess
  let exited: Promise<unknown>
  const start = async () => {
    const options = ['--bind', '127.0.0.1', '--port', `${port}`, '--save', '', '--daemonize', 'no', ...args]
    const server = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'ignore'] })
    child = server
    exited = once(server, 'close')
    const ready = Promise.withResolvers<void>()
    createInterface({ input: server.stdout }).on('line', (line) => {
      if (line.includes('Ready to accept connections')) ready.resolve()
    })
    const ended = exited.then(() => {
      throw new Error('redis-server ended before it was ready')
    })
    ended.catch(() => {})
    await Promise.race([ready.promise, ended])
  }
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  await start()
  onTestFinished(kill)

  /** Connects a client that publishes on a channel and records its messages. */
  const join = async (channel: string) => {
    const client = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } })
    const messages: string[] = []
    await client.on('error', () => {}).connect()
    await client.subscribe(channel, (text) => messages.push(text))
    onTestFinished(() => client.destroy())
    return { messages, publish: (text: string) => client.publish(channel, text) }
  }
  return { port, join, kill, restart: start, pause: () => child.kill('SIGSTOP') }
}
