/** Parses the Prometheus text format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
import { expect } from 'vitest'
import { fetchReply } from './http/http.ts'

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The samples of one metric, with its `HELP` and `TYPE`. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly samples: readonly Sample[]
}

export class Exposition {
  readonly families: readonly Family[]

  /** @throws Error if a line is malformed or misplaced */
  constructor(text: string) {
    const blocks = text.trimEnd().split(/\n{2,}/)
    this.families = blocks.map((block) => familyIn(block.split('\n')))
  }

  /** The values of a metric by label values, such as `{ '/secret 200': 1 }`. */
  values(name: string): Record<string, number> {
    const samples = this.families.flatMap(({ samples }) => samples).filter((sample) => sample.name === name)
    return Object.fromEntries(samples.map(({ labels, value }) => [Object.values(labels).join(' '), value]))
  }

  /** The identities of the samples: name and labels. */
  get series(): string[] {
    return this.families.flatMap(({ samples }) =>
      samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`),
    )
  }
}

/** Fetches the metrics and asserts the format that Prometheus expects. */
export async function scrape(origin: string, headers: Record<string, string> = {}): Promise<Exposition> {
  const reply = await fetchReply(`${origin}/metrics`, { headers })
  expect(reply.status).toBe(200)
  expect(reply.headers).toMatchObject({
    'content-type': 'text/plain; version=0.0.4; charset=utf-8',
    'cache-control': 'no-store',
  })
  const exposition = new Exposition(reply.body)
  expect(new Set(exposition.series).size).toBe(exposition.series.length)
  return exposition
}

function familyIn([helpLine = '', typeLine = '', ...lines]: string[]): Family {
  const [, name = '', help = ''] = matched(/^# HELP (\S+) (\S.*)$/, helpLine)
  const [, typed, type = ''] = matched(/^# TYPE (\S+) (counter|gauge|histogram)$/, typeLine)
  const samples = lines.map(sampleIn)
  const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
  const names = suffixes.map((suffix) => name + suffix)
  const others = samples.filter((sample) => !names.includes(sample.name))
  if (typed !== name || others.length > 0) throw new Error(`Expected only samples of ${name}:\n${lines.join('\n')}`)
  return { name, help, type, samples }
}

function sampleIn(line: string): Sample {
  const [, name = '', , labels = '', value = ''] = matched(/^([^\s{]+)(\{(.*)\})? (\S+)$/s, line)
  // prom-client writes NaN as `Nan`, which Prometheus accepts.
  matched(/^(-?\d+(\.\d+)?(e[+-]\d+)?|[+-]Inf|Na[nN])$/, value)
  return { name, labels: labelsIn(labels), value: Number(value.replace('Inf', 'Infinity')) }
}

function labelsIn(text: string): Record<string, string> {
  const label = /([^=,"]+)="((?:[^"\\]|\\["\\n])*)"/
  matched(new RegExp(`^(${label.source}(,(?!$)|$))*$`), text)
  const pairs = Array.from(text.matchAll(new RegExp(label, 'g')), ([, name = '', value = '']) => [name, value] as const)
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) throw new Error(`Duplicate label in ${text}`)
  return Object.fromEntries(
    pairs.map(([name, value]) => [name, value.replace(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped))]),
  )
}

function matched(pattern: RegExp, line: string): RegExpExecArray {
  const match = pattern.exec(line)
  if (!match) throw new Error(`${JSON.stringify(line)} does not match ${pattern}`)
  return match
}
