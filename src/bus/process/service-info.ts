/** The names of a service. Everything that users and operators see is derived from the name of its package. */

/** What a service says about itself, usually read from its package.json. */
export interface Manifest {
  /** Words of lower-case letters and digits, joined by dashes: `orders`, `secret-bus`. */
  readonly name: string
  readonly version: string
  /** One line without a final period. */
  readonly description?: string | undefined
  /** SPDX identifier, see https://spdx.org/licenses/. */
  readonly license?: string | undefined
  /** Link to the repository or home page. */
  readonly homepage?: string | undefined
  /** Link to the published image. */
  readonly container?: string | undefined
}

export interface ServiceInfo extends Manifest {
  /** Begins the name of each environment variable: `SECRET_BUS_`. */
  readonly variablePrefix: string
  /** Begins the name of each metric: `secret_bus_`. */
  readonly metricPrefix: string
  /** Begins the type of each problem: `urn:secret-bus:problem:`. */
  readonly problemPrefix: string
}

/** The syntax of the names of services, plugins, commands, flags and rights. */
export const namePattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/

/** @throws TypeError if the name is invalid */
export function serviceInfo(manifest: Manifest): ServiceInfo {
  const { name } = manifest
  if (typeof name !== 'string' || !namePattern.test(name))
    throw new TypeError(
      `service name must be words of a to z and 0 to 9 joined by dashes, such as orders, received ${JSON.stringify(name)}`,
    )
  const words = name.replaceAll('-', '_')
  return {
    ...manifest,
    variablePrefix: `${words.toUpperCase()}_`,
    metricPrefix: `${words}_`,
    problemPrefix: `urn:${name}:problem:`,
  }
}
