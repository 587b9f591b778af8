/** The `channels` command: prints the topology of the bus, or of selected channels. */
import { type TopologyFormat, topologyFormats } from '../../bus/topology/formats.ts'
import type { ChannelInfo, Topology } from '../../bus/topology/topology.ts'
import { UsageError } from '../../errors.ts'

/**
 * @param names the channels to print, all if empty; a trailing `*` matches any ending
 * @throws UsageError if a name matches no channel
 */
export function printChannels(topology: Topology, names: readonly string[], format: TopologyFormat): string {
  const unknown = names.find((name) => !topology.some((info) => matches(name, info)))
  if (unknown !== undefined) throw new UsageError(`Unknown channel: ${JSON.stringify(unknown)}`)
  const selected = topology.filter((info) => names.length === 0 || names.some((name) => matches(name, info)))
  return topologyFormats[format](selected)
}

function matches(name: string, { channel }: ChannelInfo): boolean {
  return name.endsWith('*') ? channel.startsWith(name.slice(0, -1)) : channel === name
}
