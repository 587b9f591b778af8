/** The medium of the bus, by itself. Nobody waits for its listeners, and one that fails silences the rest. */
import mitt from 'mitt'
import { print, type Query, query } from './measure.ts'

const handlers = (count: number) => {
  const emitter = mitt<{ heard: Query }>()
  for (let i = 0; i < count; i += 1) emitter.on('heard', () => {})
  return () => emitter.emit('heard', query)
}

await print({ direct: { '0 listeners': handlers(0), '1 listener': handlers(1), '10 listeners': handlers(10) } })
