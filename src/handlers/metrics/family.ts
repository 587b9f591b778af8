/**
 * Renders one metric family in the Prometheus text format, and rejects everything that Prometheus would not parse:
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 *
 * Plugins report the values, so their TypeScript types are not guaranteed. Each property is read once, because a getter
 * may return another value the next time.
 */
import { isReserved, labelName, metricName } from '../../metrics/definition.ts'

/** The maximum length of a family in characters, so that one subscriber cannot exhaust the memory. */
const maxLength = 4 * 1024 * 1024

/** A rendered family. */
export interface Family {
  /** The names of its samples, which no other family may have. */
  readonly names: readonly string[]
  /** Lines without the final line break; empty if the family has no values. */
  readonly text: string
}

type Properties = Readonly<Record<string, unknown>>

/** A line of the family without its name. */
interface Sample {
  readonly suffix: string
  readonly labels: readonly string[]
  readonly value: number
}

/** The suffixes and the samples of one value, by type. */
const types: ReadonlyMap<unknown, { suffixes: readonly string[]; samples: (value: Properties) => Sample[] }> = new Map([
  ['counter', { suffixes: [''], samples: counter }],
  ['gauge', { suffixes: [''], samples: gauge }],
  ['histogram', { suffixes: ['', '_bucket', '_sum', '_count'], samples: histogram }],
])

/** @throws TypeError or RangeError with the reason if the metric is invalid; the error of a getter that throws */
export function familyOf(metric: unknown): Family {
  const { name: givenName, help: givenHelp, type: givenType, values } = object('metric', metric)
  const name = text('name', givenName, metricName)
  const help = text('help', givenHelp, /\S/)
  const type = types.get(givenType)
  if (!type) throw new TypeError(`type must be counter, gauge or histogram, received ${shown(givenType)}`)
  const lines = [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${givenType}`]
  const series = new Set<string>()
  let length = 0
  for (const value of list('values', values)) {
    for (const { suffix, labels, value: number } of type.samples(object('value', value))) {
      const id = [suffix, ...labels.toSorted()].join()
      if (series.has(id)) throw new RangeError('labels must differ between values')
      series.add(id)
      lines.push(`${name}${suffix}${labels.length > 0 ? `{${labels.join()}}` : ''} ${formatted(number)}`)
      length += name.length + id.length
      if (length > maxLength) throw new RangeError(`metric must be at most ${maxLength} characters long`)
    }
  }
  return { names: type.suffixes.map((suffix) => name + suffix), text: series.size > 0 ? lines.join('\n') : '' }
}

function gauge({ labels, value }: Properties): Sample[] {
  return [{ suffix: '', labels: labelsOf(labels, 'gauge'), value: number('value', value) }]
}

function counter({ labels, value }: Properties): Sample[] {
  return [{ suffix: '', labels: labelsOf(labels, 'counter'), value: count('value', value) }]
}

function histogram({ labels: given, buckets, sum, count: total }: Properties): Sample[] {
  const labels = labelsOf(given, 'histogram')
  const all = count('count', total)
  let previous = { atMost: -Infinity, count: 0 }
  const finite = Array.from(list('buckets', buckets), (bucket) => {
    const { atMost, count: within } = object('bucket', bucket)
    const current = { atMost: number('atMost', atMost), count: count('count of a bucket', within) }
    if (!(current.atMost > previous.atMost && current.atMost < Infinity))
      throw new RangeError('atMost must be finite and ascending')
    if (current.count < previous.count || current.count > all) throw new RangeError('counts must be cumulative')
    previous = current
    return current
  })
  const samples = [...finite, { atMost: Infinity, count: all }].map(({ atMost, count: value }) => {
    return { suffix: '_bucket', labels: [`le="${formatted(atMost)}"`, ...labels], value }
  })
  return [...samples, { suffix: '_sum', labels, value: number('sum', sum) }, { suffix: '_count', labels, value: all }]
}

/** The labels as text, in the given order. */
function labelsOf(labels: unknown, type: 'counter' | 'gauge' | 'histogram'): string[] {
  if (labels === undefined) return []
  return Object.entries(object('labels', labels)).map(([name, value]) => {
    if (isReserved(name, type)) throw new RangeError(`label ${name} is reserved`)
    text('label name', name, labelName)
    if (!['string', 'number', 'boolean'].includes(typeof value))
      throw new TypeError(`label ${name} must be a string, received ${shown(value)}`)
    return `${name}="${escaped(String(value)).replaceAll('"', '\\"')}"`
  })
}

/** Escapes a text. Lone surrogates are replaced, because they cannot be encoded. */
function escaped(string: string): string {
  return string.toWellFormed().replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function formatted(value: number): string {
  return Number.isFinite(value) || Number.isNaN(value) ? String(value) : value > 0 ? '+Inf' : '-Inf'
}

function object(what: string, value: unknown): Properties {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${what} must be an object, received ${shown(value)}`)
  return value as Properties // each property is checked where it is used
}

export function list(what: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`${what} must be an array, received ${shown(value)}`)
  return value
}

function text(what: string, value: unknown, pattern: RegExp): string {
  if (typeof value !== 'string' || !pattern.test(value))
    throw new TypeError(`${what} must match ${pattern.source}, received ${shown(value)}`)
  return value
}

function number(what: string, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`${what} must be a number, received ${shown(value)}`)
  return value
}

function count(what: string, value: unknown): number {
  const checked = number(what, value)
  if (!(checked >= 0 && checked < Infinity))
    throw new RangeError(`${what} must be finite and not negative, received ${checked}`)
  return checked
}

/** Describes a value in an error message: shortened, and without calling methods of an object. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100))
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' && value !== null ? 'an object' : String(value).slice(0, 100)
}
