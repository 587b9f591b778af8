/** Renders results as bar charts for the documents. */
import { writeFileSync } from 'node:fs'
import * as echarts from 'echarts'
import type { Results } from './results.ts'

interface Bar {
  readonly name: string
  readonly value: number
  /** Whether the bar is a figure of this project. */
  readonly own?: boolean
}

/** Writes a chart into the folder for each part that has results. */
export function drawCharts({ bus, http, start, memory }: Results, folder: URL): void {
  const draw = (name: string, title: string, bars: readonly Bar[]) =>
    writeFileSync(new URL(`bench-${name}.svg`, folder), chart(title, bars))
  if (bus) {
    const barsOf = (kind: string) =>
      Object.entries(bus).flatMap(([library, times]) =>
        times[kind] === undefined
          ? []
          : [{ name: library, value: Math.round(times[kind]), own: library === 'secret-bus' }],
      )
    draw('request', 'One request, synchronous provider: nanoseconds', barsOf('synchronous answer'))
    draw('publish', 'One event, one listener: nanoseconds', barsOf('1 listener'))
  }
  for (const path of ['/secret', '/health']) {
    const results = http?.filter((result) => result.path === path && result.connections === 32) ?? []
    const bars = results.map(({ server, cpu }) => ({
      name: server,
      value: Math.round(cpu),
      own: server.startsWith('service'),
    }))
    if (bars.length > 0) draw(path.slice(1), `GET ${path}, 32 connections: CPU microseconds per request`, bars)
  }
  if (start) {
    const bars = start.map(({ what, ms }) => ({ name: what, value: Math.round(ms), own: what.startsWith('service') }))
    draw('start', 'Start: milliseconds from exec', bars)
  }
  if (memory) {
    const bars = memory.flatMap(({ server, idle, afterMany }) =>
      [
        { name: `${server}, idle`, value: Math.round(idle) },
        { name: `${server}, after many requests`, value: Math.round(afterMany) },
      ].map((bar) => ({ ...bar, own: server === 'service' })),
    )
    draw('memory', 'Resident memory: MB', bars)
  }
}

/** Colors that are readable on light and on dark pages. */
const [ink, ours, theirs] = ['#808080', '#2f81f7', '#8b949e']

function chart(title: string, bars: readonly Bar[]): string {
  const drawing = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 720, height: 70 + bars.length * 30 })
  drawing.setOption({
    animation: false,
    title: { text: title, textStyle: { color: ink, fontSize: 14 } },
    grid: { left: 8, right: 60, top: 36, bottom: 8, containLabel: true },
    xAxis: { type: 'value', show: false },
    yAxis: {
      type: 'category',
      inverse: true,
      data: bars.map(({ name }) => name),
      axisLabel: { color: ink },
      axisLine: { show: false },
      axisTick: { show: false },
    },
    series: [
      {
        type: 'bar',
        barWidth: 18,
        data: bars.map(({ value, own }) => ({ value, itemStyle: { color: own ? ours : theirs } })),
        label: { show: true, position: 'right', color: ink },
      },
    ],
  })
  const svg = drawing.renderToSVGString()
  drawing.dispose()
  return `${svg}\n`
}
