import { Bus, request, SecretNotFound } from 'secret-bus'

const bus = new Bus()
const find = request<string, string>('find')
console.log(await bus.request(find, 'rose').catch(String)) // NoProvider: No provider for channel find (required by the caller)
const notFound = new SecretNotFound('rose')
bus.provide(find, () => Promise.reject(notFound))
console.log((await bus.request(find, 'rose').catch((error) => error)) === notFound) // true
