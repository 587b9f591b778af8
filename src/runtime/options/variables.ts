/** Reads the options from environment variables. */
import { type Definition, everyOption } from './definitions.ts'
import { nearest } from './nearest.ts'
import type { Source } from './source.ts'

const prefix = 'SECRET_BUS_'

/** Not an option, because it has no flag. */
export const authTokenVariable = `${prefix}AUTH_TOKEN`

/** Variables of the AWS SDK that are the values of options. */
const awsVariables: ReadonlyMap<string, string> = new Map([
  ['region', 'AWS_REGION'],
  ['max-attempts', 'AWS_MAX_ATTEMPTS'],
])

/** Variables that Kubernetes sets for each service, such as `SECRET_BUS_SERVICE_HOST` for one named `secret-bus`. */
const serviceLink = /_SERVICE_HOST$|_SERVICE_PORT(_[A-Z\d_]+)?$|_PORT_\d+_[A-Z]+(_(PROTO|PORT|ADDR))?$/

/** An empty variable counts as unset, and so does a service link where a number is expected. */
export function fromVariables(environment: NodeJS.ProcessEnv): Source {
  const written = new Map<string, string[]>()
  for (const { flag, definition } of everyOption) {
    const text = environment[variableOf(flag)]
    if (!text || isServiceLink(definition, text)) continue
    written.set(flag, definition.repeatable ? text.split(',').map((part) => part.trim()) : [text])
  }
  return { written, label: variableOf }
}

/** The variables of the AWS SDK. Empty ones count as unset. */
export function fromAwsVariables(environment: NodeJS.ProcessEnv): Source {
  const present = [...awsVariables].flatMap(([flag, variable]) => {
    const text = environment[variable]
    return text ? [[flag, [text]] as const] : []
  })
  return { written: new Map(present), label: (flag) => awsVariables.get(flag) ?? flag }
}

/** Returns a warning for each ineffective `SECRET_BUS_` variable. The value is withheld, because it may be secret. */
export function variableWarnings(environment: NodeJS.ProcessEnv): string[] {
  const options = new Map(everyOption.map(({ flag, definition }) => [variableOf(flag), definition]))
  const names = [...options.keys(), authTokenVariable].map((name) => name.slice(prefix.length))
  return Object.entries(environment).flatMap(([name, text]) => {
    if (!name.startsWith(prefix) || !text || name === authTokenVariable) return []
    const definition = options.get(name)
    if (definition)
      return isServiceLink(definition, text)
        ? [`Ignoring variable ${name}: it must be ${definition.type.allowed}, received a URL, as Kubernetes sets it`]
        : []
    if (serviceLink.test(name) || (name.endsWith('_PORT') && text.includes('://'))) return []
    const meant = nearest(name.slice(prefix.length), names)
    return [`Ignoring unknown variable ${name}${meant === undefined ? '' : `; did you mean ${prefix}${meant}?`}`]
  })
}

function variableOf(flag: string): string {
  return `${prefix}${flag.toUpperCase().replaceAll('-', '_')}`
}

/** Kubernetes sets `SECRET_BUS_PORT=tcp://10.96.0.12:5000` for a service named `secret-bus`. */
function isServiceLink({ type, default: byDefault = '' }: Definition, text: string): boolean {
  return text.includes('://') && typeof type.parse(byDefault) === 'number'
}
