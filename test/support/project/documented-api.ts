/** Reads docs/openapi.json and compares replies with it. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect } from 'vitest'
import type { RawReply } from '../http/http.ts'

type Examples = Readonly<Record<string, { readonly value: unknown }>>

interface Operation {
  readonly operationId: string
  /** Empty for public operations, absent for authenticated ones. */
  readonly security?: readonly object[]
  readonly parameters: readonly { readonly name?: string; readonly example?: unknown }[]
  readonly responses: Readonly<Record<string, Response>>
}

interface Response {
  readonly headers: object
  readonly content: Readonly<Record<string, { readonly schema: object; readonly examples: Examples }>>
}

interface Header {
  readonly required?: boolean
  readonly schema: { readonly type: string }
  readonly example?: unknown
  readonly examples?: Examples
}

interface Document {
  readonly info: { readonly description: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly headers: Readonly<Record<string, Header>> }
}

/** An operation with its method and path. */
export interface DocumentedOperation extends Operation {
  readonly method: string
  /** The path template. */
  readonly template: string
  /** The path with the example values of its parameters. */
  readonly path: string
}

export const documentFile = fileURLToPath(new URL('../../../docs/openapi.json', import.meta.url))

export const document: Document = JSON.parse(readFileSync(documentFile, 'utf8'))

export const operations: readonly DocumentedOperation[] = Object.entries(document.paths).flatMap(
  ([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const example = (name: string) =>
        String(operation.parameters.find((parameter) => parameter.name === name)?.example)
      const path = template.replace(/\{(\w+)\}/g, (_, name) => example(name))
      return { ...operation, method: method.toUpperCase(), template, path }
    }),
)

const ajv = new Ajv2020({ strict: false, validateFormats: false })

/** The key of every reply example, such as `getSecret 200 secret`. */
export const exampleKeys: readonly string[] = operations.flatMap(({ operationId, responses }) =>
  Object.entries(responses).flatMap(([status, { content }]) => {
    const names = Object.values(content).flatMap(({ examples }) => Object.keys(examples))
    return names.length > 0 ? names.map((name) => `${operationId} ${status} ${name}`) : [`${operationId} ${status}`]
  }),
)

/** Asserts that the reply equals this example and has exactly the documented headers, of those in the components. */
export function expectExample(key: string, { status, headers, body }: RawReply): void {
  const [operationId, documentedStatus = '', name = ''] = key.split(' ')
  expect(`${operationId} ${status} ${body}`).toMatch(`${operationId} ${documentedStatus} `)
  const response = operations.find((operation) => operation.operationId === operationId)?.responses[documentedStatus]
  const mediaType = headers['content-type']?.split(';')[0] ?? ''
  expect(Object.keys(response?.content ?? {})).toContain(mediaType)
  const { schema = false, examples = {} } = response?.content[mediaType] ?? {}
  const value = mediaType.endsWith('json') ? JSON.parse(body) : body
  expectValid(schema, value)
  expectSame(value, examples[name]?.value)
  expectHeaders(status, headers, Object.keys(response?.headers ?? {}))
}

/**
 * Text and OpenAPI documents only need to contain the example. The subscribers in examples of health and reload are
 * invented, because these routes belong to every service.
 */
function expectSame(value: unknown, example: unknown): void {
  const isDocument = typeof value === 'object' && value !== null && 'openapi' in value
  if (typeof value === 'string') expect(value).toContain(example)
  else if (isDocument) expect(value).toMatchObject(example as object)
  else if (isObject(example) && 'checks' in example) expect(value).toMatchObject({ status: example['status'] })
  else if (isObject(example) && 'reloaded' in example) expect(Object.keys(Object(value))).toEqual(Object.keys(example))
  else expect(value).toEqual(example)
}

function expectHeaders(status: number, headers: RawReply['headers'], documented: readonly string[]): void {
  for (const [name, { required = false }] of Object.entries(document.components.headers)) {
    const value = headers[name.toLowerCase()]
    if (value === undefined) {
      const mayBeAbsent = !required && status !== 503
      if (!mayBeAbsent) expect(documented).not.toContain(name)
    } else {
      expect(documented).toContain(name)
      expectHeader(name, value)
    }
  }
}

/** Asserts that the header matches its schema. */
export function expectHeader(name: string, value: string): void {
  const { schema = { type: 'none' } } = document.components.headers[name] ?? {}
  expectValid(schema, schema.type === 'integer' ? Number(value) : value)
}

function expectValid(schema: object | false, value: unknown): void {
  const valid = ajv.validate(schema && { ...schema, components: document.components }, value)
  expect(valid, `${JSON.stringify(value)}: ${ajv.errorsText()}`).toBe(true)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
