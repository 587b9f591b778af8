/** Parameters to evaluate the template with, and accessors for the resulting stacks. */
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

/** Checks by the property that they verify. A check throws if the template does not have the property. */
export type Checks = Readonly<Record<string, (template: Template) => void | Promise<void>>>

/** The parameters without defaults. */
export const network = { VpcId: 'vpc-0a1b2c3d', SubnetIds: 'subnet-0a1b2c3d, subnet-4e5f6a7b' }
export const onFargate = { ...network, LaunchType: 'FARGATE' }
export const onEc2 = { ...network, LaunchType: 'EC2' }
export const certificate = { CertificateArn: 'arn:aws:acm:eu-central-1:111122223333:certificate/0a1b-2c3d' }
export const tokens = {
  AuthTokenSecretArn: 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:secret-bus/tokens-AbC123',
}

export const clients = { ClientsSecretCodeName: 'our clients' }

/** Without tokens and clients, a stack is accepted only with this. */
export const anonymous = { AllowAnonymous: 'true' }

/** Every combination of the conditions of the template. */
export const everyCombination: readonly Parameters[] = combinations([
  [onFargate, onEc2],
  [{}, certificate],
  [{}, tokens, clients],
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

/** The properties of a resource; `undefined` if the stack does not contain it. */
export function properties(stack: Stack, name: string): Values | undefined {
  const resource = stack.resources[name]
  return resource === undefined ? undefined : mapping(at(resource, 'Properties') ?? {})
}

/** The resources in the `DependsOn` of a resource. */
export function dependencies(resource: Value | undefined): string[] {
  const names = at(resource, 'DependsOn') ?? []
  return (typeof names === 'string' ? [names] : list(names)).map(String)
}

/** The properties of all resources of a type. */
export function ofType(stack: Stack, type: string): Values[] {
  return Object.values(stack.resources)
    .filter((resource) => at(resource, 'Type') === type)
    .map((resource) => mapping(at(resource, 'Properties') ?? {}))
}

/** The container of the task. */
export function container(stack: Stack): Values {
  const [only, ...others] = list(at(properties(stack, 'TaskDefinition'), 'ContainerDefinitions'))
  if (others.length > 0) throw new Error('The task must have exactly one container')
  return mapping(only)
}

/** Converts a list of pairs, such as variables (`Name`, `Value`) or attributes (`Key`, `Value`), into a mapping. */
export function toRecord(value: Value | undefined, key: 'Name' | 'Key' = 'Name', of = 'Value'): Record<string, string> {
  return Object.fromEntries(list(value ?? []).map((pair) => [String(at(pair, key)), String(at(pair, of))]))
}
