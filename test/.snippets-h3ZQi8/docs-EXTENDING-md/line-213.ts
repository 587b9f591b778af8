import type { Plugin } from 'secret-bus'
import { pluginContext, startService } from 'secret-bus/testing'

const ticker: Plugin = ({ channels, lifecycle }) => (bus) => {
  let timer: NodeJS.Timeout | undefined
  let ticks = 0
  const begin = () => {
    clearInterval(timer)
    timer = setInterval(() => (ticks += 1), 60_000)
  }
  bus.subscribe(lifecycle.start, begin)
  bus.subscribe(lifecycle.graceful, begin) // a reload: the output is in the response of POST /-/reload
  bus.subscribe(lifecycle.stop, () => clearInterval(timer)) // also works if start never ran
  bus.subscribe(channels.checkHealth, () => ({ name: 'ticker', status: 'warn', output: 'has not ticked yet' }))
  bus.subscribe(channels.collectMetrics, () => [
    { name: 'ticks_total', help: 'Ticks so far', type: 'counter', values: [{ value: ticks }] },
  ])
}

await using service = await startService({ ticker: ticker(await pluginContext()) }, { embedded: true })
const ready = await fetch(`${service.origin}/ready`)
console.log((await ready.text()).match(/"ticker":.*?]/)?.[0]) // "ticker":[{"status":"warn","output":"has not ticked yet"}]
const metrics = await fetch(`${service.origin}/metrics`)
console.log((await metrics.text()).match(/^ticks_total.*/m)?.[0]) // ticks_total 0
