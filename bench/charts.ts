/** Renders results as bar charts for the documents. */
import { writeFileSync } from 'node:fs'
import * as echarts from 'echarts'
import type { Results } from './results.ts'
import { median } from './rounds.ts'
import { setups } from './setups.ts'

interface Bar {
  readonly name: string
  readonly value: number
  /** Whether the bar is a figure of this project. */
  readonly own?: boolean
}

/** Writes a chart into the folder for each part that has results. */
export function drawCharts({ setups: measured, start }: Results, folder: URL): void {
  const draw = (name: string, title: string, bars: readonly Bar[]) =>
    writeFileSync(new URL(`bench-${name}.svg`, folder), chart(title, bars))
  if (measured) {
    const peers: readonly string[] = [setups.bare, setups.guarded, setups.nodeHttp, setups.moleculer, setups.seed]
    const shown = [...peers, setups.plain, setups.production]
    const bars = measured
      .filter(({ setup }) => shown.includes(setup))
      .map(({ setup, cpu }) => ({ name: setup, value: Math.round(median(cpu)), own: !peers.includes(setup) }))
    draw('secret', 'GET /secret, 32 connections: CPU microseconds per request', bars)
  }
  if (start) {
    const own = (what: string) => /^(service|production)/.test(what)
    const bars = start.map(({ what, ms }) => ({ name: what, value: Math.round(ms), own: own(what) }))
    draw('start', 'Start: milliseconds from exec', bars)
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
