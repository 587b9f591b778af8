/** What the template is tried with, and where things stand in what it makes. */
import {
  at,
  list,
  mapping,
  type Parameters,
  type Stack,
  type Template,
  type Value,
  type Values,
} from '../support/project/template.ts'

/** By what should be so. A check throws where it is not. */
export type Checks = Readonly<Record<string, (template: Template) => void | Promise<void>>>

/** The parameters that have no defaults. */
export const network = { VpcId: 'vpc-0a1b2c3d', SubnetIds: 'subnet-0a1b2c3d, subnet-4e5f6a7b' }
export const onFargate = { ...network, LaunchType: 'FARGATE' }
export const onEc2 = { ...network, LaunchType: 'EC2' }
export const certificate = { CertificateArn: 'arn:aws:acm:eu-central-1:111122223333:certificate/0a1b-2c3d' }
export const tokens = {
  AuthTokenSecretArn: 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:secret-bus/tokens-AbC123',
}

/** All that differ by a condition of the template. */
export const everyCombination: readonly Parameters[] = combinations([
  [onFargate, onEc2],
  [{}, certificate],
  [{}, tokens],
  [{}, { DesiredCount: '0' }],
  [{}, { CreateTable: 'true' }],
  [{}, { AssignPublicIp: 'ENABLED' }],
])

function combinations(choices: readonly (readonly Parameters[])[]): Parameters[] {
  return choices.reduce<Parameters[]>(
    (all, choice) => all.flatMap((before) => choice.map((one) => ({ ...before, ...one }))),
    [{}],
  )
}

/** The properties of a resource, which is nothing if it is not made. */
export function properties(stack: Stack, name: string): Values | undefined {
  const resource = stack.resources[name]
  return resource === undefined ? undefined : mapping(at(resource, 'Properties') ?? {})
}

/** The resources that this one is made after, though it refers to none of them. */
export function waitsFor(resource: Value | undefined): string[] {
  const names = at(resource, 'DependsOn') ?? []
  return (typeof names === 'string' ? [names] : list(names)).map(String)
}

/** The properties of all resources of this type. */
export function ofType(stack: Stack, type: string): Values[] {
  return Object.values(stack.resources)
    .filter((resource) => at(resource, 'Type') === type)
    .map((resource) => mapping(at(resource, 'Properties') ?? {}))
}

/** The one container of the task. */
export function container(stack: Stack): Values {
  const [only, ...others] = list(at(properties(stack, 'TaskDefinition'), 'ContainerDefinitions'))
  if (others.length > 0) throw new Error('there is more than one container')
  return mapping(only)
}

/** A list of pairs, such as variables (`Name`, `Value`) and attributes (`Key`, `Value`), as one mapping. */
export function pairs(value: Value | undefined, key: 'Name' | 'Key' = 'Name', of = 'Value'): Record<string, string> {
  return Object.fromEntries(list(value ?? []).map((pair) => [String(at(pair, key)), String(at(pair, of))]))
}
