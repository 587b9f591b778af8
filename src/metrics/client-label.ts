/** The label `client` of metrics. */

/** Clients with time series of their own. All others share one. */
const maxClients = 1_000

/** Returns a function that returns the name of a client as its label: for the first 1,000 names, otherwise `other`. */
export function clientLabels(): (name: string) => string {
  const names = new Set<string>()
  return (name) => {
    if (names.size < maxClients) names.add(name)
    return names.has(name) ? name : 'other'
  }
}
