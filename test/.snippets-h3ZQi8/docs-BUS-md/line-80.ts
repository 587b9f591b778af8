import { Bus, event } from 'secret-bus'

const bus = new Bus()
const [opened, printed] = [event('shop.opened'), event('sign.printed')]
bus.subscribe(printed, () => Promise.reject(new Error('no paper')), { name: 'printer' })
bus.subscribe(opened, () => bus.publish(printed), { name: 'shop' })
const failure: Error = await bus.publish(opened).catch((error) => error)
// prints error: printer failed on sign.printed: no paper
console.log(failure.message) // shop.opened failed: shop: sign.printed failed: printer: no paper
