/** What a plugin is, and the context that it receives. */
import { event, request } from '../../bus/channel.ts'
import { lifecycle } from '../../bus/process/lifecycle.ts'
import type { Subscriber } from '../../bus/process/process-bus.ts'
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import * as channels from '../../channels.ts'
import { RequestError } from '../../handlers/server/request-error.ts'
import { callOf } from '../../handlers/trace-context.ts'
import type { http } from '../../http.ts'
import { SecretNotFound, Sensitive, SourceFailure } from '../../secret.ts'
import type { secrets } from '../../secrets.ts'
import type { ServiceOptions } from '../define-service.ts'
import type { OptionRecord, OptionValues } from '../options/option.ts'

/** Functions and classes for plugins. */
const tools = { event, request, callOf, Sensitive, SecretNotFound, SourceFailure, RequestError }

/** The options of secret-bus. A plugin for another service names that service's options as its second type argument. */
export type SecretBusOptions = ServiceOptions<typeof http.options & typeof secrets.options>

/** The argument of a plugin. It contains everything that a plugin needs, so that its file needs no imports. */
export type PluginContext<Declared extends OptionRecord = OptionRecord, Options = SecretBusOptions> = typeof tools & {
  readonly channels: typeof channels
  readonly lifecycle: typeof lifecycle
  /** The options of the service. */
  readonly options: Options
  /** The options that the plugin declares with `export const options`. */
  readonly own: OptionValues<Declared>
  readonly service: ServiceInfo
}

/** The default export of a plugin file: `Plugin<typeof options>` if it declares options. */
export type Plugin<Declared extends OptionRecord = OptionRecord, Options = SecretBusOptions> = (
  context: PluginContext<Declared, Options>,
) => Subscriber

export function pluginContext<Options>(
  service: ServiceInfo,
  options: Options,
  own: Readonly<Record<string, unknown>> = {},
): PluginContext<OptionRecord, Options> {
  return { ...tools, channels, lifecycle, service, options, own: own as OptionValues<OptionRecord> } // validated
}
