import { Bus, request } from 'secret-bus'

const bus = new Bus()
const getGreeting = request<string, string>('greeting.get')
const removeProvider = bus.provide(getGreeting, (name) => `Hello, ${name}!`, { name: 'english' })
try {
  bus.provide(getGreeting, (name) => `Salut, ${name} !`, { name: 'french' })
} catch (error) {
  console.log(String(error)) // DuplicateProvider: french cannot provide greeting.get: english already does
}
removeProvider()
bus.provide(getGreeting, (name) => `Salut, ${name} !`, { name: 'french' })
console.log(await bus.request(getGreeting, 'Rose')) // Salut, Rose !
