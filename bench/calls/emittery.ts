import Emittery from 'emittery'
import { print, type Query, query } from './measure.ts'

const publisher = (count: number) => {
  const emitter = new Emittery<{ event: Query }>()
  for (let i = 0; i < count; i += 1) emitter.on('event', () => {})
  return () => emitter.emit('event', query)
}

await print({ awaited: { '0 listeners': publisher(0), '1 listener': publisher(1), '10 listeners': publisher(10) } })
