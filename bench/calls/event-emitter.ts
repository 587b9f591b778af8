/** The emitter of Node.js. It neither awaits its listeners nor reports their rejections. */
import { EventEmitter } from 'node:events'
import { print, query } from './measure.ts'

const publisher = (count: number) => {
  const emitter = new EventEmitter()
  for (let i = 0; i < count; i += 1) emitter.on('event', () => {})
  return () => emitter.emit('event', query)
}

await print({ direct: { '0 listeners': publisher(0), '1 listener': publisher(1), '10 listeners': publisher(10) } })
