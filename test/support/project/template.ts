/** Evaluates a CloudFormation template, as CloudFormation does when it creates a stack. */
import { isMap, isNode, isScalar, isSeq, parseDocument } from 'yaml'

export type Value = string | number | boolean | readonly Value[] | Values
export interface Values {
  readonly [name: string]: Value
}

/** Parameter values by name. */
export type Parameters = Readonly<Record<string, string>>

/** Resources and outputs by logical name. References to resources become `<Resource>` and `<Resource.Attribute>`. */
export interface Stack {
  readonly resources: Values
  readonly outputs: Values
}

export class Template {
  readonly text: string
  readonly #stacks = new Map<string, Stack>()
  #sections: Values | undefined

  constructor(text: string) {
    this.text = text
  }

  /** The content of a section, unevaluated. */
  section(name: string): Values {
    this.#sections ??= mapping(plain(parse(this.text)))
    return mapping(this.#sections[name] ?? {})
  }

  /** The stack for these parameters, with the defaults of the others. */
  stack(given: Parameters): Stack {
    const key = JSON.stringify(given)
    const stack = this.#stacks.get(key) ?? this.#evaluate(given)
    this.#stacks.set(key, stack)
    return stack
  }

  #evaluate(given: Parameters): Stack {
    const evaluation = new Evaluation(this, given)
    const resources = Object.entries(this.section('Resources')).filter(([name]) => evaluation.creates(name))
    return {
      resources: mapping(evaluation.resolve(Object.fromEntries(resources))),
      outputs: mapping(evaluation.resolve(this.section('Outputs'))),
    }
  }

  /** Whether the constraints of the parameter allow the value. Rules are not evaluated. */
  accepts(parameter: string, value: string): boolean {
    return fits(mapping(named(this.section('Parameters'), parameter)), value)
  }

  /** Why these parameters are rejected: the names of invalid ones, and the descriptions of violated rules. */
  rejections(given: Parameters): string[] {
    const { values, resolve } = new Evaluation(this, given)
    const invalid = [...values]
      .filter(([name, value]) => !this.accepts(name, String(value ?? '')))
      .map(([name]) => name)
    const violated = Object.values(this.section('Rules'))
      .map(mapping)
      .filter(({ RuleCondition: condition }) => condition === undefined || resolve(condition) === true)
      .flatMap(({ Assertions: assertions }) => list(assertions).map(mapping))
      .filter(({ Assert: assertion = false }) => resolve(assertion) !== true)
    return [...invalid, ...violated.map(({ AssertDescription: description = 'a rule' }) => String(description))]
  }
}

const pseudoParameters: Parameters = {
  'AWS::AccountId': '111122223333',
  'AWS::Partition': 'aws',
  'AWS::Region': 'eu-central-1',
  'AWS::StackName': 'a-stack',
}

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html */
class Evaluation {
  /** Parameter values; `undefined` for a parameter with neither a given value nor a default. */
  readonly values: ReadonlyMap<string, Value | undefined>
  readonly #template: Template

  constructor(template: Template, given: Parameters) {
    this.#template = template
    this.values = new Map(
      Object.entries(template.section('Parameters')).map(([name, definition]) => [
        name,
        given[name] ?? mapping(definition)['Default'],
      ]),
    )
  }

  /** Whether the condition of the resource holds. */
  creates(name: string): boolean {
    const { Condition: condition } = mapping(named(this.#template.section('Resources'), name))
    return condition === undefined || this.#holds(condition)
  }

  /** Evaluates a value. `undefined` stands for `AWS::NoValue` and is omitted from lists and mappings. */
  readonly resolve = (value: Value): Value | undefined => {
    if (typeof value !== 'object') return value
    if (isList(value)) return value.map(this.resolve).filter((item) => item !== undefined)
    const [[name = '', argument = ''] = [], ...others] = Object.entries(value)
    if (others.length === 0 && this.#functions[name]) return this.#functions[name](argument)
    if (name.startsWith('Fn::')) throw new Error(`Unsupported function ${name}`)
    const entries = Object.entries(value).map(([key, item]) => [key, this.resolve(item)] as const)
    return Object.fromEntries(entries.filter((entry): entry is [string, Value] => entry[1] !== undefined))
  }

  readonly #functions: Readonly<Record<string, (argument: Value) => Value | undefined>> = {
    Ref: (name) => this.#reference(String(name)),
    Condition: (name) => this.#holds(name),
    'Fn::GetAtt': (path) => this.#reference(String(path)),
    'Fn::If': (argument) => {
      const [condition = '', yes = '', no = ''] = list(argument)
      return this.resolve(this.#holds(condition) ? yes : no)
    },
    'Fn::Equals': (pair) => new Set(list(pair).map((value) => String(this.resolve(value)))).size === 1,
    'Fn::Not': (single) => list(single).every((value) => this.resolve(value) === false),
    'Fn::And': (all) => list(all).every((value) => this.resolve(value) === true),
    'Fn::Contains': (argument) => {
      const [all = '', one = ''] = list(argument)
      return list(this.resolve(all)).includes(this.resolve(one) ?? '')
    },
    'Fn::Join': (argument) => {
      const [separator, parts = ''] = list(argument)
      return list(this.resolve(parts)).join(String(separator))
    },
    'Fn::Split': (argument) => {
      const [separator, text = ''] = list(argument)
      return String(this.resolve(text)).split(String(separator))
    },
    'Fn::Sub': (text) => String(text).replaceAll(/\$\{([^}]+)\}/g, (_, path: string) => String(this.#reference(path))),
    'Fn::Base64': (text) => this.resolve(text), // left unencoded, to be readable in assertions
  }

  #holds(condition: Value): boolean {
    return this.resolve(named(this.#template.section('Conditions'), String(condition))) === true
  }

  #reference(path: string): Value | undefined {
    if (path === 'AWS::NoValue') return undefined
    const value = pseudoParameters[path] ?? this.values.get(path)
    if (value !== undefined) return typed(mapping(this.#template.section('Parameters')[path] ?? {}), value)
    const [name = path] = path.split('.')
    if (!this.creates(name)) throw new Error(`${path} refers to a resource whose condition is false`)
    return `<${path}>`
  }
}

/** The value at this path, if there is one. */
export function at(value: Value | undefined, ...path: readonly (string | number)[]): Value | undefined {
  return path.reduce<Value | undefined>((inner, name) => {
    if (typeof inner !== 'object') return undefined
    return isList(inner) ? inner[Number(name)] : inner[name]
  }, value)
}

export function list(value: Value | undefined): readonly Value[] {
  if (value !== undefined && isList(value)) return value
  throw new TypeError(`Value must be a list, received ${JSON.stringify(value)}`)
}

export function mapping(value: Value | undefined): Values {
  if (typeof value === 'object' && !isList(value)) return value
  throw new TypeError(`Value must be a mapping, received ${JSON.stringify(value)}`)
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

function named(section: Values, name: string): Value {
  const value = section[name]
  if (value === undefined) throw new Error(`${name} not found in the template`)
  return value
}

/** CloudFormation supports YAML 1.1. */
function parse(text: string): unknown {
  const { contents, errors } = parseDocument(text, { version: '1.1' })
  if (errors[0]) throw errors[0]
  return contents
}

/** Expands the short forms of functions. Throws on YAML features that CloudFormation does not support. */
function plain(node: unknown): Value {
  if (isNode(node) && 'anchor' in node && node.anchor) throw new Error('CloudFormation does not support anchors')
  const value = content(node)
  const [, short] = /^!(\w+)$/.exec(isNode(node) && 'tag' in node ? String(node.tag) : '') ?? []
  if (short === undefined) return value
  return { [short === 'Ref' || short === 'Condition' ? short : `Fn::${short}`]: value }
}

function content(node: unknown): Value {
  if (isSeq(node)) return node.items.map(plain)
  if (isMap(node)) return Object.fromEntries(node.items.map(({ key, value }) => [plain(key), plain(value)]))
  const value = isScalar(node) ? node.value : undefined
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  throw new TypeError(`Unsupported value: ${String(value ?? node)}`) // null, a date or an alias
}

/** The value that a reference to the parameter returns. */
function typed({ Type: type }: Values, value: Value): Value {
  if (String(type).startsWith('AWS::SSM::Parameter::Value')) return `{{resolve:ssm:${value}}}`
  return isListType(type) ? parts(value) : String(value)
}

function isListType(type: Value | undefined): boolean {
  return type === 'CommaDelimitedList' || String(type).startsWith('List<')
}

/** Splits at commas and trims spaces, as CloudFormation does. */
function parts(value: Value): string[] {
  return String(value)
    .split(',')
    .map((part) => part.replaceAll(/^ +| +$/g, ''))
}

/**
 * Whether a value meets the constraints of the parameter. A pattern must match the whole value, or each item of a list.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
 */
function fits(definition: Values, value: string): boolean {
  const { Type: type, AllowedPattern: pattern, AllowedValues: allowed, MinValue: min, MaxValue: max } = definition
  const given = isListType(type) ? parts(value) : [value]
  return given.every(
    (text) =>
      (pattern === undefined || new RegExp(`^(?:${String(pattern)})$`).test(text)) &&
      (allowed === undefined || list(allowed).map(String).includes(text)) &&
      (type !== 'Number' || (Number(text) >= Number(min ?? -Infinity) && Number(text) <= Number(max ?? Infinity))),
  )
}
