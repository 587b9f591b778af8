import { ProcessBus, request } from 'secret-bus'

const bus = new ProcessBus()
const getGreeting = request<string, string>('greeting.get')
bus.use('routes', (bus) => void bus.requester(getGreeting))
const outcome = await bus.start().catch(String)
// prints error: Failed to start: No provider for channel greeting.get (required by routes)
console.log(outcome) // MissingProviders: No provider for channel greeting.get (required by routes)
