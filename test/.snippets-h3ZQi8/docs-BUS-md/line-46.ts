import { setTimeout as sleep } from 'node:timers/promises'
import { Bus, event } from 'secret-bus'

const bus = new Bus()
const check = event<void, string>('check', { concurrent: true })
const ready: string[] = []
const listener = (name: string, ms: number) => async () => {
  ready.push(await sleep(ms, name))
  return name
}
bus.subscribe(check, listener('slow', 20))
bus.subscribe(check, listener('quick', 1))
console.log(await bus.publish(check), ready) // [ 'slow', 'quick' ] [ 'quick', 'slow' ]
