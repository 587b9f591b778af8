/** A CloudFormation template, and what CloudFormation would make of it. */
import { isMap, isNode, isScalar, isSeq, parseDocument } from 'yaml'

export type Value = string | number | boolean | readonly Value[] | Values
export interface Values {
  readonly [name: string]: Value
}

/** By name, as they are typed in. */
export type Parameters = Readonly<Record<string, string>>

/** Both by logical name. References to what is yet to be made are left as `<Resource>` and `<Resource.Attribute>`. */
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

  /** What stands in a section, as it is written. */
  section(name: string): Values {
    this.#sections ??= mapping(plain(parse(this.text)))
    return mapping(this.#sections[name] ?? {})
  }

  /** What there would be with these parameters, and the defaults of the others. */
  stack(given: Parameters): Stack {
    const key = JSON.stringify(given)
    const stack = this.#stacks.get(key) ?? this.#make(given)
    this.#stacks.set(key, stack)
    return stack
  }

  #make(given: Parameters): Stack {
    const evaluation = new Evaluation(this, given)
    const resources = Object.entries(this.section('Resources')).filter(([name]) => evaluation.makes(name))
    return {
      resources: mapping(evaluation.resolve(Object.fromEntries(resources))),
      outputs: mapping(evaluation.resolve(this.section('Outputs'))),
    }
  }

  /** Whether a parameter may have this value, as far as it is known without the others. */
  takes(parameter: string, value: string): boolean {
    return fits(mapping(named(this.section('Parameters'), parameter)), value)
  }

  /** Why these parameters would be refused: the names of those that do not fit, and what is said of broken rules. */
  refusals(given: Parameters): string[] {
    const { values, resolve } = new Evaluation(this, given)
    const unfit = [...values].filter(([name, value]) => !this.takes(name, String(value ?? ''))).map(([name]) => name)
    const broken = Object.values(this.section('Rules'))
      .map(mapping)
      .filter(({ RuleCondition: condition }) => condition === undefined || resolve(condition) === true)
      .flatMap(({ Assertions: assertions }) => list(assertions).map(mapping))
      .filter(({ Assert: assertion = false }) => resolve(assertion) !== true)
    return [...unfit, ...broken.map(({ AssertDescription: description = 'a rule' }) => String(description))]
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
  /** Of the parameters; `undefined` where one has neither been given nor a default. */
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

  /** Whether there is to be such a resource. */
  makes(name: string): boolean {
    const { Condition: condition } = mapping(named(this.#template.section('Resources'), name))
    return condition === undefined || this.#holds(condition)
  }

  /** `undefined` is no value: whatever would have it is left out. */
  readonly resolve = (value: Value): Value | undefined => {
    if (typeof value !== 'object') return value
    if (isList(value)) return value.map(this.resolve).filter((item) => item !== undefined)
    const [[name = '', argument = ''] = [], ...others] = Object.entries(value)
    if (others.length === 0 && this.#functions[name]) return this.#functions[name](argument)
    if (name.startsWith('Fn::')) throw new Error(`${name} is not known here`)
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
      const [all, one = ''] = list(argument)
      return list(all).includes(this.resolve(one) ?? '')
    },
    'Fn::Join': (argument) => {
      const [separator, parts = ''] = list(argument)
      return list(this.resolve(parts)).join(String(separator))
    },
    'Fn::Sub': (text) => String(text).replaceAll(/\$\{([^}]+)\}/g, (_, path: string) => String(this.#reference(path))),
    'Fn::Base64': (text) => this.resolve(text), // as it was before
  }

  #holds(condition: Value): boolean {
    return this.resolve(named(this.#template.section('Conditions'), String(condition))) === true
  }

  #reference(path: string): Value | undefined {
    if (path === 'AWS::NoValue') return undefined
    const value = pseudoParameters[path] ?? this.values.get(path)
    if (value !== undefined) return typed(mapping(this.#template.section('Parameters')[path] ?? {}), value)
    const [name = path] = path.split('.')
    if (!this.makes(name)) throw new Error(`${name} is not made`)
    return `<${path}>`
  }
}

/** What is at this path, if there is something. */
export function at(value: Value | undefined, ...path: readonly (string | number)[]): Value | undefined {
  return path.reduce<Value | undefined>((inner, name) => {
    if (typeof inner !== 'object') return undefined
    return isList(inner) ? inner[Number(name)] : inner[name]
  }, value)
}

export function list(value: Value | undefined): readonly Value[] {
  if (value !== undefined && isList(value)) return value
  throw new TypeError(`not a list: ${JSON.stringify(value)}`)
}

export function mapping(value: Value | undefined): Values {
  if (typeof value === 'object' && !isList(value)) return value
  throw new TypeError(`not a mapping: ${JSON.stringify(value)}`)
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

function named(section: Values, name: string): Value {
  const value = section[name]
  if (value === undefined) throw new Error(`there is no ${name}`)
  return value
}

/** CloudFormation reads YAML 1.1. */
function parse(text: string): unknown {
  const { contents, errors } = parseDocument(text, { version: '1.1' })
  if (errors[0]) throw errors[0]
  return contents
}

/** Short forms of functions become long ones. What CloudFormation does not take of YAML is refused. */
function plain(node: unknown): Value {
  if (isNode(node) && 'anchor' in node && node.anchor) throw new Error('CloudFormation takes no anchors')
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
  throw new TypeError(`CloudFormation takes no such value: ${String(value ?? node)}`) // null, a date, an alias
}

/** The value of a parameter, where it is referred to. */
function typed({ Type: type }: Values, value: Value): Value {
  if (String(type).startsWith('AWS::SSM::Parameter::Value')) return `{{resolve:ssm:${value}}}`
  return isListType(type) ? parts(value) : String(value)
}

function isListType(type: Value | undefined): boolean {
  return type === 'CommaDelimitedList' || String(type).startsWith('List<')
}

/** Blanks around each are cut off. */
function parts(value: Value): string[] {
  return String(value)
    .split(',')
    .map((part) => part.replaceAll(/^ +| +$/g, ''))
}

/**
 * Whether a parameter may have this value. A pattern must match the whole of it, and of a list each part.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
 */
function fits(definition: Values, value: string): boolean {
  const { Type: type, AllowedPattern: pattern, AllowedValues: values, MinValue: least, MaxValue: most } = definition
  const given = isListType(type) ? parts(value) : [value]
  return given.every(
    (text) =>
      (pattern === undefined || new RegExp(`^(?:${String(pattern)})$`).test(text)) &&
      (values === undefined || list(values).map(String).includes(text)) &&
      (type !== 'Number' || (Number(text) >= Number(least ?? -Infinity) && Number(text) <= Number(most ?? Infinity))),
  )
}
