/** Who is wired to whom, as text: for a terminal, for programs, and as a picture. */
import type { Hearer, Topology, Wired } from './topology.ts'

export const topologyFormats = {
  /** A line for each channel, in aligned columns. */
  table: tableOf,
  /** As it is, in JSON. */
  json: (topology: Topology): string => JSON.stringify(topology, undefined, 2),
  /** A flow chart of https://mermaid.js.org: who uses a channel, the channel, who hears it. */
  mermaid: mermaidOf,
}

export type TopologyFormat = keyof typeof topologyFormats

function tableOf(topology: Topology): string {
  const rows = topology.map(({ channel, kind, usedBy, heardBy }) => [
    channel,
    kind,
    usedBy.join(', ') || '-',
    heardBy.map((hearer) => (kind === 'event' ? withPriority(hearer) : hearer.name)).join(', ') || '-',
  ])
  const lines = [['CHANNEL', 'KIND', 'USED BY', 'HEARD BY, IN THIS ORDER'], ...rows]
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

/** The usual priority goes without saying. */
function withPriority({ name, priority }: Hearer): string {
  return priority === 50 ? name : `${name} (${priority})`
}

function mermaidOf(topology: Topology): string {
  const names = new Map<string, string>()
  // Mermaid's own ids take few characters, so everyone is numbered, and named once.
  const idOf = (name: string) => {
    const id = names.get(name) ?? `s${names.size}`
    names.set(name, id)
    return id
  }
  const wired = topology.filter(({ usedBy, heardBy }) => usedBy.length + heardBy.length > 0)
  const arrows = wired.flatMap(({ kind, usedBy, heardBy }, index) => [
    ...usedBy.map((name) => `  ${idOf(name)} -- ${kind === 'request' ? 'asks' : 'publishes'} --> c${index}`),
    ...heardBy.map(({ name }) => `  c${index} -- ${kind === 'request' ? 'answered by' : 'heard by'} --> ${idOf(name)}`),
  ])
  const channels = wired.map((wired, index) => `  c${index}${shapeOf(wired)}`)
  const subscribers = [...names].map(([name, id]) => `  ${id}["${escaped(name)}"]`)
  return ['flowchart LR', ...subscribers, ...channels, ...arrows].join('\n')
}

function shapeOf({ channel, kind }: Wired): string {
  return kind === 'request' ? `{{"${escaped(channel)}"}}` : `(["${escaped(channel)}"])`
}

/** Names are any string. */
function escaped(name: string): string {
  return name.replaceAll(/["#<>&;]/g, (character) => `#${character.codePointAt(0)};`).replaceAll(/\s+/g, ' ')
}
