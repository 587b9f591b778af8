/** Draws the panels of the Grafana dashboard as SVG, from the results of their queries. */

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}

export interface Line {
  readonly name: string
  readonly points: readonly (readonly [time: number, value: number])[]
}

/** The lines of each panel, by its id. */
export type Results = ReadonlyMap<number, readonly Line[]>

/** The queries of a dashboard with these values of its variables. */
export function queriesOf(panels: readonly Panel[], variables: Readonly<Record<string, string>>) {
  const filled = (text: string) => text.replaceAll(/\$(\w+)/g, (found, name: string) => variables[name] ?? found)
  return panels.flatMap(({ id, title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ id, title, query: filled(expr), legendFormat })),
  )
}

/** The name of a line, as Grafana shows it. */
export const legend = (format: string, labels: Readonly<Record<string, string>>): string =>
  format === '' ? Object.values(labels).join(' ') : format.replaceAll(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? '')

/** Width of a column and height of a row of the grid, the gap between panels, and the number of lines in a legend. */
const [column, row, gap, legendLines] = [50, 32, 8, 4]
const colors = ['#2f81f7', '#3fb950', '#db6d28', '#a371f7', '#f85149', '#d29922', '#39c5cf', '#db61a2']
const colorOf = (index: number) => colors[index % colors.length] ?? ''
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

const label = (x: number, y: number, text: string, size = 11, more = '') =>
  `<text x="${x}" y="${y}" font-size="${size}" ${more}>${escaped(text)}</text>`

/** A value with its unit, in three digits. */
export function formatted(value: number, unit = 'none'): string {
  const short = (number: number) => String(Number(number.toPrecision(3)))
  if (unit === 'percentunit') return `${short(value * 100)}%`
  if (unit === 'bytes') return `${short(value / 2 ** 20)} MiB`
  if (unit === 's') return seconds(value, short)
  return `${short(value)}${{ reqps: ' req/s', ops: ' ops/s' }[unit] ?? ''}`
}

function seconds(value: number, short: (value: number) => string): string {
  if (Math.abs(value) >= 86_400) return `${short(value / 86_400)} days`
  if (Math.abs(value) >= 1 || value === 0) return `${short(value)} s`
  return Math.abs(value) >= 0.001 ? `${short(value * 1_000)} ms` : `${short(value * 1_000_000)} µs`
}

export function drawDashboard(title: string, panels: readonly Panel[], results: Results): string {
  const height = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h)) * row + 40
  const drawn = panels.map((panel) => {
    const { x, y, w, h } = panel.gridPos
    return `<g transform="translate(${x * column} ${y * row + 40})">${
      panel.type === 'row' ? label(gap, 22, panel.title, 14, 'font-weight="bold"') : framed(panel, w, h, results)
    }</g>`
  })
  const page = `<rect width="100%" height="100%" fill="#f6f8fa"/>${label(gap, 26, title, 18, 'font-weight="bold"')}`
  const font = 'font-family="sans-serif" fill="#24292f"'
  const size = `viewBox="0 0 ${24 * column} ${height}" width="${24 * column}" height="${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${font}>${page}\n${drawn.join('\n')}\n</svg>\n`
}

function framed(panel: Panel, w: number, h: number, results: Results): string {
  const [width, height] = [w * column - gap, h * row - gap]
  const lines = results.get(panel.id) ?? []
  const frame = `<rect width="${width}" height="${height}" rx="3" fill="#ffffff" stroke="#d0d7de"/>`
  const draw = { stat: drawValue, 'state-timeline': drawStates, table: drawNames }[panel.type] ?? drawLines
  const content = lines.length === 0 ? label(width / 2 - 22, height / 2, 'No data') : draw(lines, width, height, panel)
  return `${frame}${label(gap, 18, panel.title, 12, 'font-weight="bold"')}${content}`
}

type Draw = (lines: readonly Line[], width: number, height: number, panel: Panel) => string

const drawValue: Draw = ([line], width, height, { fieldConfig }) => {
  const value = formatted(line?.points.at(-1)?.[1] ?? Number.NaN, fieldConfig?.defaults.unit)
  return label(width / 2, height / 2 + 20, value, 24, 'text-anchor="middle"')
}

const drawNames: Draw = (lines) => lines.map(({ name }, index) => label(gap, 40 + index * 16, name)).join('')

/** One row for each line: green for the best value, which is the first that is listed, red for the worst. */
const drawStates: Draw = (lines, width, _height, { title }) => {
  const states = title === 'Readiness' ? ['#f85149', '#3fb950'] : ['#3fb950', '#d29922', '#f85149']
  const left = 190
  return lines
    .map(({ name, points }, index) => {
      const step = (width - left - gap) / points.length
      const bars = points.map(
        ([, value], at) =>
          `<rect x="${(left + at * step).toFixed(1)}" y="${32 + index * 24}" width="${(step + 0.2).toFixed(1)}" height="18" fill="${states[value]}"/>`,
      )
      return label(gap, 46 + index * 24, name) + bars.join('')
    })
    .join('')
}

const peak = ({ points }: Line) => Math.max(...points.map(([, value]) => value).filter(Number.isFinite))

const drawLines: Draw = (unsorted, width, height, { fieldConfig }) => {
  const lines = unsorted.toSorted((one, other) => peak(other) - peak(one)) // the legend has room for the highest
  const { unit } = fieldConfig?.defaults ?? {}
  const points = lines.flatMap((line) => line.points).filter(([, value]) => Number.isFinite(value))
  const [times, values] = [points.map(([time]) => time), points.map(([, value]) => value)]
  const [from, until, highest] = [Math.min(...times), Math.max(...times), Math.max(0, ...values) || 1]
  const legends = Math.min(lines.length, legendLines)
  const [left, top, bottom] = [64, 30, height - 12 - legends * 14]
  const x = (time: number) => left + ((time - from) / (until - from || 1)) * (width - left - gap)
  const y = (value: number) => bottom - (Math.max(0, value) / highest) * (bottom - top)
  const scale = [0, 0.5, 1].map((share) => {
    const at = y(highest * share).toFixed(0)
    const rule = `<line x1="${left}" x2="${width - gap}" y1="${at}" y2="${at}" stroke="#d0d7de"/>`
    return rule + label(left - 6, Number(at) + 4, formatted(highest * share, unit), 10, 'text-anchor="end"')
  })
  const drawn = lines.map(({ points: all }, index) => {
    const finite = all.filter(([, value]) => Number.isFinite(value))
    const path = finite.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(' ')
    const dashes = lines[index]?.name.startsWith('TTL') ? ' stroke-dasharray="6 4"' : ''
    return `<polyline points="${path}" fill="none" stroke="${colorOf(index)}" stroke-width="1.5"${dashes}/>`
  })
  const more = lines.length > legends ? ` and ${lines.length - legends} more` : ''
  const names = lines.slice(0, legends).map(({ name }, index) => {
    const text = (name === '' ? 'all' : name) + (index === legends - 1 ? more : '')
    return label(left, bottom + 16 + index * 14, text, 10, `fill="${colorOf(index)}"`)
  })
  return [...scale, ...drawn, ...names].join('')
}
