/** Node's own. Nobody waits for its listeners, nor hears of those that fail. */
import { EventEmitter } from 'node:events'
import { print, query } from './measure.ts'

const heardBy = (count: number) => {
  const emitter = new EventEmitter()
  for (let i = 0; i < count; i += 1) emitter.on('heard', () => {})
  return () => emitter.emit('heard', query)
}

await print({ direct: { '0 listeners': heardBy(0), '1 listener': heardBy(1), '10 listeners': heardBy(10) } })
