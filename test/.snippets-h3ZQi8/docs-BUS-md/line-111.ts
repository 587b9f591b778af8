import { Bus, event } from 'secret-bus'

const bus = new Bus()
const joined = event<string, string>('user.joined')
const late = () => 'late'
const unsubscribe = bus.subscribe(joined, () => {
  bus.subscribe(joined, late)
  return 'early'
})
console.log(await bus.publish(joined, 'rose')) // [ 'early' ]
console.log(await bus.publish(joined, 'jack')) // [ 'early', 'late' ]
unsubscribe()
unsubscribe()
bus.subscribe(joined, late)
console.log(await bus.publish(joined, 'mickey')) // [ 'late' ]
