/** What may be typed in, and what is refused. */
import { expect } from 'vitest'
import { readOptions } from '../../src/runtime/options/load.ts'
import { at, list, type Parameters, type Template } from '../support/project/template.ts'
import { type Checks, certificate, container, network, onEc2, onFargate, pairs, properties, tokens } from './stacks.ts'

/** Throws unless these values of the parameter are taken, and those are not. */
function expectPattern(template: Template, name: string, taken: readonly string[], refused: readonly string[]): void {
  const isTaken = (value: string) => template.takes(name, value)
  const wronglyRefused = taken.filter((value) => !isTaken(value))
  expect({ name, wronglyRefused, wronglyTaken: refused.filter(isTaken) }).toEqual({
    name,
    wronglyRefused: [],
    wronglyTaken: [],
  })
}

/** Throws unless all of these parameters are refused by a rule, but would not be with the others. */
function expectRule(template: Template, cases: readonly (readonly [refused: Parameters, taken: Parameters])[]): void {
  for (const [refused, taken] of cases) {
    expect(template.refusals({ ...network, ...refused }), JSON.stringify(refused)).not.toEqual([])
    expect(template.refusals({ ...network, ...refused, ...taken }), JSON.stringify(taken)).toEqual([])
  }
}

/** Every character that a policy can hold, and some more; but the comma, which ends a name. */
const characters = Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code)).filter((one) => one !== ',')
const inPolicies = (character: string) => /^[\u0020-\u007e\u00a0-\u00ff]$/.test(character) && character !== '$'

export const parameterChecks = {
  'parameters are described, labelled, and each in one group': (template) => {
    const { 'AWS::CloudFormation::Interface': form = {} } = template.section('Metadata')
    const names = Object.keys(template.section('Parameters')).sort()

    const grouped = list(at(form, 'ParameterGroups')).flatMap((group) => list(at(group, 'Parameters')))
    expect([...grouped].sort()).toEqual(names)
    expect(Object.keys(at(form, 'ParameterLabels') ?? {}).sort()).toEqual(names)
    for (const name of names) expect(at(template.section('Parameters'), name, 'Description'), name).toMatch(/^.{4,}\.$/)
  },

  'all parameters but the network have defaults, which are taken': (template) => {
    const without = Object.entries(template.section('Parameters')).filter(([, one]) => at(one, 'Default') === undefined)

    expect(without.map(([name]) => name)).toEqual(Object.keys(network))
    expect(template.refusals(network)).toEqual([])
    expect(template.refusals({ ...network, ...onEc2, ...certificate, ...tokens })).toEqual([])
  },

  'by default nothing can be reached from the internet': (template) => {
    const stack = template.stack(network)
    const [ingress] = list(at(properties(stack, 'LoadBalancerSecurityGroup'), 'SecurityGroupIngress'))

    expect(properties(stack, 'LoadBalancer')).toMatchObject({ Scheme: 'internal' })
    expect(ingress).toMatchObject({ CidrIp: '10.0.0.0/8' })
    expect(properties(stack, 'Service')).toMatchObject({
      NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: 'DISABLED' } },
    })
  },

  'code names are of characters that a policy can hold, without variables': (template) => {
    const [fit, unfit] = [characters.filter(inPolicies), characters.filter((one) => !inPolicies(one))]
    const within = (character: string) => `a${character}b`
    const atTheEnds = (character: string) => [character, `${character}a`, `a${character}`]
    const isBlank = (character: string) => character.trim() === ''

    expectPattern(template, 'CodeNames', fit.map(within), unfit.map(within))
    // CloudFormation cuts off blanks, and the program what is like them too, so that the two would not agree of the name.
    expectPattern(
      template,
      'CodeNames',
      fit.filter((one) => !isBlank(one)).flatMap(atTheEnds),
      [...unfit, '\u00a0'].flatMap(atTheEnds),
    )
    expectPattern(template, 'CodeNames', ['thedoctor', 'a', 'a,b', ' a , b c ', 'zoë'], ['', 'a,', 'a,,b', 'a,$b', 'Ω'])
  },

  'code names reach the program as they are': async (template) => {
    const fit = characters.filter(inPolicies).map((character) => `a${character}b`)
    const variables = pairs(container(template.stack({ ...network, CodeNames: fit.join(', ') }))['Environment'])

    expect(await readOptions(new Map(), variables)).toMatchObject({ codeNames: fit })
  },

  'what the patterns of the other options take, the program takes too': async (template) => {
    const options = {
      TableName: [
        ['devops-challenge', 'a_b', 'A.9'],
        ['ab', 'a b', 'a/b', 'a'.repeat(256)],
      ],
      KeyAttribute: [
        ['code_name', 'a', 'a.b-c'],
        ['', 'a b', 'ä'],
      ],
      ValueAttribute: [
        ['secret_code', 'a', 'a.b-c'],
        ['', 'a b', 'ä'],
      ],
      CacheTtl: [
        ['0', 'forever', '500ms', '1.5h', '10m', '24d'],
        ['', '10', '10 m', '-1s', 'never', '1w'],
      ],
    } as const
    for (const [name, [taken, refused]] of Object.entries(options)) {
      expectPattern(template, name, taken, refused)
      for (const value of taken) {
        const stack = template.stack({ ...network, [name]: value })
        await expect(readOptions(new Map(), pairs(container(stack)['Environment'])), value).resolves.toBeDefined()
      }
    }
  },

  'addresses, ARNs and images are what they should be': (template) => {
    const [arn, certificateArn] = [tokens.AuthTokenSecretArn, certificate.CertificateArn]
    const cidr = ['10.0.0.0/8', '192.168.1.0/24', '203.0.113.7/32', '172.16.0.0/12']
    expectPattern(template, 'AllowedCidr', cidr, ['', '10.0.0.0', '10.0.0.0/33', '10.0.0.0/08', '1.0.0.0/0', '::/0'])
    expectPattern(template, 'CertificateArn', ['', certificateArn], [arn, ` ${certificateArn}`, 'arn:aws:acm'])
    const cutOff = arn.slice(0, -'-AbC123'.length) // as it is without what Secrets Manager appends to a name
    expectPattern(template, 'AuthTokenSecretArn', ['', arn], [cutOff, `${arn}:key::`, certificateArn, 'a-token'])
    expectPattern(template, 'Image', ['secretbus/secret-bus:1.2.3', 'r.example/a@sha256:0a'], ['', 'a b'])
    expectPattern(template, 'InstanceType', ['t3.small', 'u-6tb1.metal'], ['', 't3', 't3 small'])
  },

  'what is open to the internet needs a certificate and a token': (template) => {
    const internetFacing = { Scheme: 'internet-facing' }
    expectRule(template, [
      [internetFacing, { ...certificate, ...tokens }],
      [{ ...internetFacing, ...certificate }, tokens],
      [{ ...internetFacing, ...tokens }, certificate],
      [{ AllowedCidr: '0.0.0.0/0' }, tokens],
    ])
  },

  'tasks on Fargate have a size that there is': (template) => {
    const size = (Cpu: string, Memory: string) => ({ Cpu, Memory })
    expectRule(template, [
      [size('256', '256'), size('256', '2048')],
      [size('256', '4096'), size('512', '4096')],
      [size('512', '1536'), size('512', '1024')],
      [size('512', '8192'), size('1024', '8192')],
      [size('1024', '1024'), size('1024', '2048')],
      [size('2048', '8192'), onEc2],
      [size('300', '700'), onEc2],
    ])
    expect(template.refusals({ ...onFargate, ...size('1024', '7168') })).toEqual([])
  },
} satisfies Checks
