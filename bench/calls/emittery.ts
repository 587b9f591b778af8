import Emittery from 'emittery'
import { print, type Query, query } from './measure.ts'

const handlers = (count: number) => {
  const emitter = new Emittery<{ heard: Query }>()
  for (let i = 0; i < count; i += 1) emitter.on('heard', () => {})
  return () => emitter.emit('heard', query)
}

await print({ awaited: { '0 listeners': handlers(0), '1 listener': handlers(1), '10 listeners': handlers(10) } })
