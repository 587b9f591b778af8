import { Bus, event } from 'secret-bus'

const bus = new Bus()
bus.subscribe(event<string>('user.joined'), () => {})
try {
  bus.subscribe(event<string>('user.joined'), () => {})
} catch (error) {
  console.log(String(error)) // DuplicateChannel: Another channel named user.joined already exists; is the package loaded twice?
}
