/** The emitter that the bus uses. It does not await its listeners, and skips the rest if one throws. */
import mitt from 'mitt'
import { print, type Query, query } from './measure.ts'

const publisher = (count: number) => {
  const emitter = mitt<{ event: Query }>()
  for (let i = 0; i < count; i += 1) emitter.on('event', () => {})
  return () => emitter.emit('event', query)
}

await print({ direct: { '0 listeners': publisher(0), '1 listener': publisher(1), '10 listeners': publisher(10) } })
