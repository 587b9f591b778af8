/** Node's own. Nobody waits for its listeners, nor hears of those that fail. */
import { EventEmitter } from 'node:events'
import { print, query } from './measure.ts'

const handlers = (count: number) => {
  const emitter = new EventEmitter()
  for (let i = 0; i < count; i += 1) emitter.on('heard', () => {})
  return () => emitter.emit('heard', query)
}

await print({ direct: { '0 listeners': handlers(0), '1 listener': handlers(1), '10 listeners': handlers(10) } })
