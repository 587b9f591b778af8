/** Test library for subscribers, for any test runner; imported as `secret-bus/testing`. */
export { type Answer, type FakeListener, type FakeProvider, fakeListener, fakeProvider } from './testing/fakes.ts'
export { type HttpOptions, type HttpService, startHttp } from './testing/http.ts'
export { type Flags, pluginContext } from './testing/plugin-context.ts'
export { type RecordedBus, recordedBus } from './testing/recorded-bus.ts'
export { startService } from './testing/service.ts'
