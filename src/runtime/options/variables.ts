/** Reads the options from environment variables. */
import type { ServiceInfo } from '../../bus/process/service-info.ts'
import { nearest } from './nearest.ts'
import type { ResolvedOption } from './option.ts'
import type { Source } from './source.ts'

/** Variables that Kubernetes sets for each service, such as `ORDERS_SERVICE_HOST` for one named `orders`. */
const serviceLink = /_SERVICE_HOST$|_SERVICE_PORT(_[A-Z\d_]+)?$|_PORT_\d+_[A-Z]+(_(PROTO|PORT|ADDR))?$/

/** An empty variable counts as unset, and so does a service link where a number is expected. */
export function fromVariables(options: readonly ResolvedOption[], environment: NodeJS.ProcessEnv): Source {
  const written = new Map<string, string[]>()
  for (const option of options) {
    const text = environment[option.variable]
    if (!text || isServiceLink(option, text)) continue
    written.set(option.flag, option.repeatable ? text.split(',').map((part) => part.trim()) : [text])
  }
  return { written, label: ({ variable }) => variable }
}

/** The variables of other programs. Empty ones count as unset. */
export function fromFallbackVariables(options: readonly ResolvedOption[], environment: NodeJS.ProcessEnv): Source {
  const present = options.flatMap(({ flag, fallbackVariable }) => {
    const text = fallbackVariable && environment[fallbackVariable]
    return text ? [[flag, [text]] as const] : []
  })
  return { written: new Map(present), label: ({ flag, fallbackVariable = flag }) => fallbackVariable }
}

/**
 * Returns a warning for each ineffective variable with the prefix of the service. The value is withheld, because it may
 * be secret.
 */
export function variableWarnings(
  { variablePrefix: prefix }: Pick<ServiceInfo, 'variablePrefix'>,
  options: readonly ResolvedOption[],
  environment: NodeJS.ProcessEnv,
): string[] {
  const byVariable = new Map(options.map((option) => [option.variable, option]))
  const names = [...byVariable.keys()]
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
  return Object.entries(environment).flatMap(([name, text]) => {
    if (!name.startsWith(prefix) || !text) return []
    const option = byVariable.get(name)
    if (option)
      return isServiceLink(option, text)
        ? [`Ignoring variable ${name}: it must be ${option.type.allowed}, received a URL, as Kubernetes sets it`]
        : []
    if (serviceLink.test(name) || (name.endsWith('_PORT') && text.includes('://'))) return []
    const meant = nearest(name.slice(prefix.length), names)
    return [`Ignoring unknown variable ${name}${meant === undefined ? '' : `; did you mean ${prefix}${meant}?`}`]
  })
}

/** Kubernetes sets `ORDERS_PORT=tcp://10.96.0.12:5000` for a service named `orders`. */
function isServiceLink({ type, default: byDefault = '' }: ResolvedOption, text: string): boolean {
  return text.includes('://') && typeof type.parse(byDefault) === 'number'
}
