/** Forwards reloads between the instances of a fleet, over the publish/subscribe of Valkey or Redis. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { backgroundLoop, counter, messageOf, type OptionRecord, type Plugin } from 'secret-bus'

export const options = {
  url: { type: 'secret', describe: 'URL of the Valkey or Redis server: rediss://user:password@host:6379' },
  channel: { type: 'text', describe: 'channel that the fleet shares (default: <name of the service>:reload)' },
} as const satisfies OptionRecord

/** Pause between two checks of the connection, and between two forwarded reloads, in milliseconds. */
const checkInterval = 1_000
/** Time limit of each reply of the server, in milliseconds. A process that starts can be busy for seconds. */
const replyTimeout = 5_000
/** Within this time after a reconnection, at random, an instance reloads; in milliseconds. */
const reconnectSpread = 5_000
/** The number of ids that are remembered to ignore duplicates. */
const rememberedIds = 1_000

const uuid = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
/** The id of a reload, and the instance that it began on. Anything else is not a message. */
const message = new RegExp(`^{"id":"(${uuid})","origin":"(${uuid})"}$`)
const results = ['sent', 'unsent', 'received', 'duplicate', 'malformed'] as const

/** Settles like `reply`, but rejects after the time limit. */
async function withinLimit<Reply>(reply: Promise<Reply>): Promise<Reply> {
  const done = new AbortController()
  const limit = sleep(replyTimeout, undefined, done).then(() => {
    throw new Error(`The server did not reply within ${replyTimeout} ms`)
  })
  return Promise.race([reply, limit]).finally(() => done.abort())
}

const fleetReload: Plugin<typeof options> = ({ channels, lifecycle, own, service }) => {
  const channel = own.channel ?? `${service.name}:reload`

  /** Creates a client whose connection ends when the signal aborts. It does not reconnect. */
  const newClient = (signal: AbortSignal) =>
    createClient({
      url: own.url?.reveal() ?? 'unset',
      RESP: 3, // allows one connection to publish and to subscribe
      socket: { connectTimeout: replyTimeout, reconnectStrategy: false, signal },
      maintNotifications: 'disabled',
      disableClientInfo: true,
    })
  try {
    newClient(AbortSignal.abort()).destroy()
  } catch {
    // Without the cause, which contains the URL.
    throw new Error(`${service.variablePrefix}FLEET_RELOAD_URL must be a URL such as rediss://user:password@host:6379`)
  }

  return (bus) => {
    const origin = randomUUID()
    /** Marks the reloads that a message has caused. */
    const forwarded = new AsyncLocalStorage<true>()
    const seen = new Set<string>()
    const messages = counter({
      name: `${service.metricPrefix}fleet_reload_messages_total`,
      help: 'Messages about reloads, by what happened to them.',
      labels: ['result'],
    })
    const count = (result: (typeof results)[number], added = 1) => messages.labels({ result }).add(added)
    for (const result of results) count(result, 0)

    /** The connection; undefined unless it has subscribed. */
    let client: ReturnType<typeof newClient> | undefined
    /** Whether messages of other instances may have been missed, or one of this instance was not sent. */
    const missed = { received: false, sent: false }
    let warned = false
    let reloading = false
    let sending: Promise<{ sent: boolean }> | undefined
    /** When to reload with the fleet, on the clock of `performance.now()`. */
    let reloadAt = Infinity

    const receive = (text: string) => {
      const [, id, from] = message.exec(text) ?? []
      if (id === undefined) {
        count('malformed')
        if (!warned)
          bus.log('warn', 'Ignored a malformed message of the fleet; further ones are only counted', { channel })
        warned = true
      } else if (from !== origin) {
        count(seen.has(id) ? 'duplicate' : 'received')
        if (!seen.has(id)) reloadAt = 0
        seen.add(id)
        const [oldest = ''] = seen
        if (seen.size > rememberedIds) seen.delete(oldest)
      }
    }

    const send = async () => {
      try {
        if (!client?.isReady) throw new Error('The server is not connected')
        await withinLimit(client.publish(channel, JSON.stringify({ id: randomUUID(), origin })))
        count('sent')
        missed.sent = false
      } catch (err) {
        bus.log('warn', `Failed to forward a reload to the fleet: ${messageOf(err)}`, { err })
        count('unsent')
        missed.sent = true
      }
      return { sent: !missed.sent }
    }

    bus.subscribe(
      lifecycle.graceful,
      () => {
        reloading = true
        reloadAt = Infinity // this reload is later than all messages so far
        sending = forwarded.getStore() ? undefined : send() // in parallel to the reload
      },
      { priority: 0 },
    )
    bus.subscribe(
      lifecycle.graceful,
      () => {
        reloading = false
        return sending
      },
      { priority: 100 },
    )

    /** Reloads if that is due. It does not queue a reload, because a local one would share it and not be forwarded. */
    const reloadIfDue = () => {
      if (reloading || performance.now() < reloadAt) return
      bus.log('info', 'Reloading with the fleet', { channel })
      if (missed.sent) void bus.gracefulSettled()
      else void forwarded.run(true, () => bus.gracefulSettled())
    }

    const connect = async (signal: AbortSignal) => {
      const attempt = new AbortController()
      const connecting = newClient(AbortSignal.any([signal, attempt.signal])).on('error', () => {}) // rejects a call
      try {
        await withinLimit(connecting.connect())
        await withinLimit(connecting.subscribe(channel, receive))
        return connecting
      } catch (error) {
        attempt.abort()
        connecting.destroy()
        throw error
      }
    }

    // Ends with the process, and logs an outage and its end. The pauses grow during an outage.
    backgroundLoop(
      bus,
      async ({ signal }) => {
        reloadIfDue()
        try {
          if (client) return void (await withinLimit(client.ping()))
          client = await connect(signal)
        } catch (error) {
          client?.destroy()
          client = undefined
          missed.received = true
          throw error
        }
        if (missed.received) reloadAt = Math.min(reloadAt, performance.now() + Math.random() * reconnectSpread)
        missed.received = false
      },
      { every: checkInterval, name: 'check of the fleet connection' },
    )

    bus.subscribe(channels.checkHealth, () =>
      client?.isReady
        ? { name: 'fleet-reload', status: 'pass' }
        : { name: 'fleet-reload', status: 'warn', output: 'not connected to the fleet' },
    )
    bus.subscribe(channels.collectMetrics, () => [messages.metric()])
  }
}

export default fleetReload
