/** Checks that OPERATIONS.md explains every alert and alarm, and that alerts and dashboard use metrics that exist. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Panel } from '../../docs/draw-dashboard.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly runbook_url: string }
}

const document = read('docs/OPERATIONS.md')
const groups: readonly { readonly rules: readonly Rule[] }[] = parse(read('infra/prometheus/rules.yaml')).groups
const rules = groups.flatMap((group) => group.rules)
const dashboard = JSON.parse(read('infra/grafana/dashboard.json'))
const panels: readonly Panel[] = dashboard.panels
const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

/** The sections of a chapter by their title. */
function sections(chapter: string): Map<string, string> {
  const [, text = ''] = document.split(`\n## ${chapter}\n`)
  const [content = ''] = text.split(/\n## /)
  return new Map(
    content
      .split(/^### /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf('\n')), section]),
  )
}

describe('OPERATIONS.md', () => {
  test('has a section for each Prometheus alert, and no other', () => {
    expect(rules.length).toBeGreaterThan(10)
    expect([...sections('Prometheus alerts').keys()]).toEqual(rules.map(({ alert }) => alert))
  })

  test('has a section for each CloudWatch alarm, and no other', () => {
    const names = Array.from(
      read('infra/cfn/service.yaml').matchAll(/^ {2}(\w+):\n {4}Type: AWS::CloudWatch::Alarm$/gm),
      ([, name]) => name,
    )
    expect(names.length).toBeGreaterThan(5)
    expect([...sections('CloudWatch alarms').keys()]).toEqual(names)
  })

  test.each(['Prometheus alerts', 'CloudWatch alarms'])(
    'says what each of the %s means, where to look, what to do',
    (chapter) => {
      for (const [name, text] of sections(chapter))
        expect(text, name).toMatch(/- \*\*Meaning:\*\* [\s\S]+\n- \*\*Look:\*\* [\s\S]+\n- \*\*Do(:\*\*|\*\*,) /)
    },
  )

  test('is linked from each alert', () => {
    for (const { alert, annotations } of rules)
      expect(annotations.runbook_url).toMatch(new RegExp(`/docs/OPERATIONS\\.md#${alert.toLowerCase()}$`))
  })

  test('names only panels that exist', () => {
    const titles = panels.map(({ title }) => title)
    const named = [...sections('Prometheus alerts').values()].join('').matchAll(/(?<!\*)\*([A-Z][^*]+)\*(?!\*)/g)
    const others = ['Targets']
    const unknown = Array.from(named, ([, name = '']) => name).filter(
      (name) => !titles.some((title) => title.startsWith(name)),
    )
    expect(unknown.filter((name) => !others.includes(name))).toEqual([])
  })
})

test('the alerts and the dashboard use only metrics of the reference', () => {
  const reference = new Set(
    Array.from(read('docs/REFERENCE.md').matchAll(/^\| `(secret_bus_\w+)` \|/gm), ([, name]) => name),
  )
  const used = [...rules.map(({ expr }) => expr), ...queries].join('\n').match(/secret_bus_\w+/g) ?? []
  expect(used.length).toBeGreaterThan(40)
  expect(used.filter((name) => !reference.has(name.replace(/_bucket$/, '')))).toEqual([])
})

describe('the dashboard', () => {
  test('shows every metric of the service, except the state of the process', () => {
    const names = Array.from(read('docs/REFERENCE.md').matchAll(/^\| `(secret_bus_\w+)` \|/gm), ([, name = '']) => name)
    const shown = new Set(
      queries
        .join('\n')
        .match(/secret_bus_\w+/g)
        ?.map((name) => name.replace(/_bucket$/, '')),
    )
    expect(names.filter((name) => !shown.has(name))).toEqual(['secret_bus_state'])
  })

  test('has panels with unique ids and titles, a description, a unit and queries of the variables', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length)
    for (const panel of panels.filter(({ type }) => type !== 'row')) {
      expect(panel.description, panel.title).toMatch(/\.$/)
      expect(panel.fieldConfig?.defaults.unit, panel.title).toEqual(expect.any(String))
    }
    for (const query of queries.filter((query) => !query.includes('ALERTS')))
      expect(query).toContain('job=~"$job", instance=~"$instance"')
    const variables: { name: string }[] = dashboard.templating.list
    expect(variables.map(({ name }) => name)).toEqual(['datasource', 'job', 'instance'])
  })

  test('has panels that do not overlap', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
  })
})
