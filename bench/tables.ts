/** Renders results as Markdown tables, for the terminal and for `docs/PERFORMANCE.md`. */
import type { Results } from './results.ts'
import { median } from './rounds.ts'
import { cpuRatio, cpuRatios, setups } from './setups.ts'
import { targets } from './targets.ts'

/** The tables that `docs/PERFORMANCE.md` contains. */
export const documentedTables = [targetTable, setupsTable, httpTable, busTable, memoryTable, secretsTable]

export function tables(results: Results): string {
  const { machine } = results
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`)
  const conditions = [
    `${results.at}${results.quick ? ', quick run with rough figures' : ''}: ${machine.cpu}, ${machine.cores} cores, ${machine.memory} GB, ` +
      `${machine.system}, Node ${machine.node}, ${versions.join(', ')}.`,
  ]
  const parts = [...documentedTables, startTable, unreadTable]
  return [...conditions, ...parts.map((part) => part(results)).filter(Boolean)].join('\n\n')
}

export function targetTable(results: Results): string {
  const rows = targets(results).map(({ what, atMost, result, before }) => [
    what,
    `≤ ${number(atMost, 2)}`,
    number(result, 2),
    before === undefined ? '' : number(before, 2),
    result <= atMost ? 'met' : '**missed**',
  ])
  return table('Targets', ['ratio', 'target', 'result', 'previous', ''], rows)
}

function busTable({ bus }: Results): string {
  if (!bus) return ''
  const kinds = Object.keys(bus['secret-bus'])
  const rows = Object.entries(bus).map(([library, times]) => [
    library,
    ...kinds.map((kind) => (times[kind] === undefined ? '' : number(times[kind], 0))),
  ])
  return table('Bus: nanoseconds per call', ['', ...kinds], rows)
}

function httpTable({ http = [] }: Results): string {
  const header = [
    'connections',
    'requests/s of bare Fastify',
    'of production',
    'p99 in ms',
    'of production',
    'CPU / bare',
  ]
  const rows = http
    .filter(({ server }) => server === 'production')
    .map((own) => {
      const bare = http.find(({ server, connections }) => server === 'bare Fastify' && connections === own.connections)
      const pair = (figure: 'requestsPerSecond' | 'p99', digits: number) =>
        [bare, own].map((each) => number(each?.[figure] ?? Number.NaN, digits))
      return [`${own.connections}`, ...pair('requestsPerSecond', 0), ...pair('p99', 2), number(own.ofBare, 2)]
    })
  return table('Connections', header, rows)
}

function startTable({ start }: Results): string {
  const rows = (start ?? []).map(({ what, ms, least, most, ofBare }) => [
    what,
    ...[ms, least, most].map((each) => number(each, 0)),
    number(ofBare, 2),
  ])
  return table('Start', ['', 'ms', 'min', 'max', '/ bare'], rows)
}

function memoryTable({ memory, memoryPlan }: Results): string {
  const { few = 0, many = 0, connections = 0 } = memoryPlan ?? {}
  const after = [few, many].map((requests) => `after ${number(requests, 0)} requests`)
  const header = ['', 'idle', ...after, 'with 1,000 connections', `after ${number(connections, 0)} connections`]
  const rows = (memory ?? []).map((each) => [
    each.server,
    ...[each.idle, each.afterFew, each.afterMany, each.whileConnected, each.afterConnections].map((mb) =>
      number(mb, 0),
    ),
  ])
  return table('Memory in MB', header, rows)
}

function unreadTable({ unread = [] }: Results): string {
  const rows = Object.entries(Object.groupBy(unread, ({ path }) => path)).map(([path, attacks = []]) => [
    path,
    ...attacks.map(({ growth }) => number(growth, 0)),
    number(Math.max(...attacks.map(({ p99 }) => p99)), 0),
  ])
  return table('Unread replies', ['path', 'MB with 1 × 3,000', 'MB with 300 × 5', 'p99 of others in ms'], rows)
}

function secretsTable({ secrets }: Results): string {
  const rows = (secrets ?? []).map((each) => [
    ...[each.secrets, each.reads, each.ready, each.idle].map((count) => number(count, 0)),
    number(each.cpu, 1),
    number(each.ofFirst, 2),
  ])
  return table('Secrets', ['secrets', 'reads', 'ms until ready', 'memory MB', 'CPU µs', '/ one secret'], rows)
}

function setupsTable({ setups: results = [] }: Results): string {
  const rows = results.map(({ setup, ready, idle, cpu }) => {
    const ofProduction = cpuRatios(results, setup, setups.production)
    const quotients = [
      cpuRatio(results, setup, setups.bare),
      median(ofProduction),
      ofProduction[0],
      ofProduction.at(-1),
    ]
    return [
      setup,
      ...[ready, idle].map((count) => number(count, 0)),
      number(median(cpu), 1),
      ...quotients.map((quotient = Number.NaN) => number(quotient, 2)),
    ]
  })
  const header = ['', 'ms until ready', 'memory MB', 'CPU µs', '/ bare', '/ production', 'min', 'max']
  return table('Set-ups', header, rows)
}

export function table(title: string, header: string[], rows: string[][]): string {
  if (rows.length === 0) return ''
  const widths = header.map((heading, column) =>
    Math.max(...[heading, ...rows.map((row) => row[column] ?? '')].map(({ length }) => length)),
  )
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => pad(cell, column, widths[column] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [`## ${title}`, '', line(header), rule, ...rows.map(line)].join('\n')
}

const pad = (cell: string, column: number, width: number) => (column === 0 ? cell.padEnd(width) : cell.padStart(width))

function number(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
