/** The topology as text: a table for terminals, JSON for programs, a Mermaid flow chart for documents. */
import type { ChannelInfo, Handler, Topology } from './topology.ts'

export const topologyFormats = {
  /** One line per channel, in aligned columns. */
  table: toTable,
  /** The topology itself, as JSON. */
  json: (topology: Topology): string => JSON.stringify(topology, undefined, 2),
  /** A flow chart of https://mermaid.js.org: users, channels, handlers. */
  mermaid: toMermaid,
}

export type TopologyFormat = keyof typeof topologyFormats

function toTable(topology: Topology): string {
  const rows = topology.map(({ channel, kind, usedBy, handlers }) => [
    channel,
    kind,
    usedBy.join(', ') || '-',
    handlers.map((handler) => (kind === 'event' ? withPriority(handler) : handler.name)).join(', ') || '-',
  ])
  const lines = [['CHANNEL', 'KIND', 'USED BY', 'HANDLERS, IN ORDER'], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)))
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** The default priority is omitted. */
function withPriority({ name, priority }: Handler): string {
  return priority === 50 ? name : `${name} (${priority})`
}

function toMermaid(topology: Topology): string {
  const ids = new Map<string, string>()
  // Mermaid ids allow few characters, so subscribers are numbered and their names are labels.
  const idOf = (name: string) => {
    const id = ids.get(name) ?? `s${ids.size}`
    ids.set(name, id)
    return id
  }
  const connected = topology.filter(({ usedBy, handlers }) => usedBy.length + handlers.length > 0)
  const arrows = connected.flatMap(({ kind, usedBy, handlers }, index) => [
    ...usedBy.map((name) => `  ${idOf(name)} -- ${kind === 'request' ? 'requests' : 'publishes'} --> c${index}`),
    ...handlers.map(
      ({ name }) => `  c${index} -- ${kind === 'request' ? 'provided by' : 'received by'} --> ${idOf(name)}`,
    ),
  ])
  const channels = connected.map((info, index) => `  c${index}${shapeOf(info)}`)
  const subscribers = [...ids].map(([name, id]) => `  ${id}["${escaped(name)}"]`)
  return ['flowchart LR', ...subscribers, ...channels, ...arrows].join('\n')
}

function shapeOf({ channel, kind }: ChannelInfo): string {
  return kind === 'request' ? `{{"${escaped(channel)}"}}` : `(["${escaped(channel)}"])`
}

/** Escapes the characters that have a meaning in Mermaid. */
function escaped(name: string): string {
  return name.replaceAll(/["#<>&;]/g, (character) => `#${character.codePointAt(0)};`).replaceAll(/\s+/g, ' ')
}
