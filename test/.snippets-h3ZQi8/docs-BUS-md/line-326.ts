import { Bus, lifecycle } from 'secret-bus'

const bus = new Bus()
bus.log('warn', 'disk almost full')
// prints warn: disk almost full
bus.subscribe(lifecycle.log, () => Promise.reject(new Error('disk full')))
bus.subscribe(lifecycle.log, ({ level, message }) => console.log(level, message)) // info hello
bus.log('info', 'hello')
