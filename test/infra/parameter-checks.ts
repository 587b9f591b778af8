/** Checks of the parameters: descriptions, defaults, patterns and rules. */
import { expect } from 'vitest'
import { at, list, type Parameters, type Template } from '../support/project/template.ts'
import { readOptions } from '../support/service/options.ts'
import {
  anonymous,
  type Checks,
  certificate,
  clients,
  container,
  network,
  onEc2,
  onFargate,
  properties,
  tokens,
  toRecord,
} from './stacks.ts'

/** Throws unless the parameter accepts all valid values and rejects all invalid ones. */
function expectPattern(template: Template, name: string, valid: readonly string[], invalid: readonly string[]): void {
  const accepts = (value: string) => template.accepts(name, value)
  const wronglyRejected = valid.filter((value) => !accepts(value))
  expect({ name, wronglyRejected, wronglyAccepted: invalid.filter(accepts) }).toEqual({
    name,
    wronglyRejected: [],
    wronglyAccepted: [],
  })
}

/** Throws unless a rule rejects each set of parameters, but accepts it after the given changes. */
function expectRule(template: Template, cases: readonly (readonly [rejected: Parameters, fix: Parameters])[]): void {
  for (const [rejected, fix] of cases) {
    const others = { ...network, ...anonymous }
    expect(template.rejections({ ...others, ...rejected }), JSON.stringify(rejected)).not.toEqual([])
    expect(template.rejections({ ...others, ...rejected, ...fix }), JSON.stringify(fix)).toEqual([])
  }
}

/** Characters within and beyond the range that policies allow, except the comma, which separates names. */
const characters = Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code)).filter((one) => one !== ',')
const isAllowedInPolicy = (character: string) => /^[\u0020-\u007e\u00a0-\u00ff]$/.test(character) && character !== '$'

export const parameterChecks = {
  'every parameter has a description, a label and one group': (template) => {
    const { 'AWS::CloudFormation::Interface': form = {} } = template.section('Metadata')
    const names = Object.keys(template.section('Parameters')).sort()

    const grouped = list(at(form, 'ParameterGroups')).flatMap((group) => list(at(group, 'Parameters')))
    expect([...grouped].sort()).toEqual(names)
    expect(Object.keys(at(form, 'ParameterLabels') ?? {}).sort()).toEqual(names)
    for (const name of names) expect(at(template.section('Parameters'), name, 'Description'), name).toMatch(/^.{4,}\.$/)
  },

  'all parameters except the network have valid defaults': (template) => {
    const without = Object.entries(template.section('Parameters')).filter(([, one]) => at(one, 'Default') === undefined)

    expect(without.map(([name]) => name)).toEqual(Object.keys(network))
    expect(template.rejections({ ...network, ...anonymous })).toEqual([])
    expect(template.rejections({ ...network, ...onEc2, ...certificate, ...tokens })).toEqual([])
    expect(template.rejections({ ...network, ...clients })).toEqual([])
  },

  'nothing is reachable from the internet by default': (template) => {
    const stack = template.stack(network)
    const [ingress] = list(at(properties(stack, 'LoadBalancerSecurityGroup'), 'SecurityGroupIngress'))

    expect(properties(stack, 'LoadBalancer')).toMatchObject({ Scheme: 'internal' })
    expect(ingress).toMatchObject({ CidrIp: '10.0.0.0/8' })
    expect(properties(stack, 'Service')).toMatchObject({
      NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: 'DISABLED' } },
    })
  },

  'code names contain only characters that policies allow, and no policy variables': (template) => {
    const [valid, invalid] = [
      characters.filter(isAllowedInPolicy),
      characters.filter((character) => !isAllowedInPolicy(character)),
    ]
    const within = (character: string) => `a${character}b`
    const atTheEnds = (character: string) => [character, `${character}a`, `a${character}`]
    const isBlank = (character: string) => character.trim() === ''

    for (const name of ['CodeNames', 'ClientsSecretCodeName']) {
      expectPattern(template, name, valid.map(within), invalid.map(within))
      // CloudFormation trims spaces only, but the program trims all white space, so they would disagree on such a name.
      expectPattern(
        template,
        name,
        valid.filter((character) => !isBlank(character)).flatMap(atTheEnds),
        [...invalid, '\u00a0'].flatMap(atTheEnds),
      )
    }
    expectPattern(template, 'CodeNames', ['thedoctor', 'a', 'a,b', ' a , b c ', 'zoë'], ['', 'a,', 'a,,b', 'a,$b', 'Ω'])
    expectPattern(
      template,
      'ClientsSecretCodeName',
      ['', 'clients', 'a', 'b c', 'zoë'],
      ['a,b', ',', 'a,', ' a', '$a', 'Ω'],
    )
  },

  'code names reach the program unchanged': async (template) => {
    const codeNames = characters.filter(isAllowedInPolicy).map((character) => `a${character}b`)
    const clientsSecret = `${codeNames.join('')}c`
    const stack = template.stack({
      ...network,
      CodeNames: codeNames.join(', '),
      ClientsSecretCodeName: clientsSecret,
    })

    expect(await readOptions(new Map(), toRecord(container(stack)['Environment']))).toMatchObject({
      codeNames,
      clientsSecret,
    })
  },

  'by default, the age of a secret is bounded, also during an outage': async (template) => {
    const { cacheTtl, maxStale } = await readOptions(
      new Map(),
      toRecord(container(template.stack(network))['Environment']),
    )

    expect(cacheTtl).toBe(60_000)
    expect(maxStale).toBe(3_600_000)
  },

  'the program accepts the option values that the patterns accept': async (template) => {
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
      MaxStale: [
        ['0', 'forever', '500ms', '1.5h', '10m', '24d'],
        ['', '10', '10 m', '-1s', 'never', '1w'],
      ],
    } as const
    for (const [name, [valid, invalid]] of Object.entries(options)) {
      expectPattern(template, name, valid, invalid)
      for (const value of valid) {
        const stack = template.stack({ ...network, [name]: value })
        await expect(readOptions(new Map(), toRecord(container(stack)['Environment'])), value).resolves.toBeDefined()
      }
    }
  },

  'addresses, ARNs and images are validated': (template) => {
    const [arn, certificateArn] = [tokens.AuthTokenSecretArn, certificate.CertificateArn]
    const cidr = ['10.0.0.0/8', '192.168.1.0/24', '203.0.113.7/32', '172.16.0.0/12']
    expectPattern(template, 'AllowedCidr', cidr, ['', '10.0.0.0', '10.0.0.0/33', '10.0.0.0/08', '1.0.0.0/0', '::/0'])
    expectPattern(template, 'CertificateArn', ['', certificateArn], [arn, ` ${certificateArn}`, 'arn:aws:acm'])
    const partial = arn.slice(0, -'-AbC123'.length) // without the suffix that Secrets Manager adds to the name
    expectPattern(template, 'AuthTokenSecretArn', ['', arn], [partial, `${arn}:key::`, certificateArn, 'a-token'])
    expectPattern(template, 'Image', ['secretbus/secret-bus:1.2.3', 'r.example/a@sha256:0a'], ['', 'a b'])
    expectPattern(template, 'InstanceType', ['t3.small', 'u-6tb1.metal'], ['', 't3', 't3 small'])
  },

  'access from the internet requires a certificate and tokens': (template) => {
    const internetFacing = { Scheme: 'internet-facing' }
    expectRule(template, [
      [internetFacing, { ...certificate, ...tokens }],
      [{ ...internetFacing, ...certificate }, tokens],
      [{ ...internetFacing, ...certificate }, clients],
      [{ ...internetFacing, ...tokens }, certificate],
      [{ AllowedCidr: '0.0.0.0/0' }, tokens],
      [{ AllowedCidr: '0.0.0.0/0' }, clients],
    ])
  },

  'access without a token is explicit': async (template) => {
    expectRule(template, [
      [{ AllowAnonymous: 'false' }, tokens],
      [{ AllowAnonymous: 'false' }, clients],
      [{ AllowAnonymous: 'false' }, anonymous],
    ])
    for (const [parameters, allowAnonymous] of [
      [{ ...network, ...tokens }, false],
      [{ ...network, ...clients }, false],
      [{ ...network, ...anonymous }, true],
    ] as const) {
      const environment = toRecord(container(template.stack(parameters))['Environment'])
      expect(await readOptions(new Map(), environment)).toMatchObject({ allowAnonymous })
    }
  },

  'clients and tokens exclude each other, and clients are not served': (template) => {
    expectRule(template, [
      [{ ...clients, ...tokens }, { AuthTokenSecretArn: '' }],
      [{ ...clients, ...tokens }, { ClientsSecretCodeName: '' }],
      [
        { CodeNames: 'a, b', ClientsSecretCodeName: 'b' },
        { CodeNames: 'a, bc', ClientsSecretCodeName: 'b' },
      ],
    ])
  },

  'Fargate tasks have a supported size': (template) => {
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
    expect(template.rejections({ ...onFargate, ...anonymous, ...size('1024', '7168') })).toEqual([])
  },
} satisfies Checks
