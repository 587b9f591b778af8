import { describe, expect, test } from 'vitest'
import { variableWarnings as warnings } from '../../../src/runtime/options/variables.ts'
import { secretBus } from '../../../src/service.ts'

const variableWarnings = (environment: NodeJS.ProcessEnv) => warnings(secretBus.info, secretBus.resolved, environment)

/** What Kubernetes sets in every container for a service named `secret-bus`. */
const serviceLinks = {
  SECRET_BUS_SERVICE_HOST: '10.96.0.12',
  SECRET_BUS_SERVICE_PORT: '5000',
  SECRET_BUS_SERVICE_PORT_HTTP: '5000',
  SECRET_BUS_PORT: 'tcp://10.96.0.12:5000',
  SECRET_BUS_PORT_5000_TCP: 'tcp://10.96.0.12:5000',
  SECRET_BUS_PORT_5000_TCP_PROTO: 'tcp',
  SECRET_BUS_PORT_5000_TCP_PORT: '5000',
  SECRET_BUS_PORT_5000_TCP_ADDR: '10.96.0.12',
}

describe('the warnings about variables', () => {
  test('omit options, empty variables and variables of other programs', () => {
    const environment = {
      SECRET_BUS_PORT: '5000',
      SECRET_BUS_AUTH_TOKEN: 'sentinel',
      SECRET_BUS_DYNAMODB_ENDPOINT: 'http://localhost:8000',
      SECRET_BUS_PROT: '',
      OTHER_SECRET_BUS_PROT: '1',
      PATH: '/bin',
    }

    expect(variableWarnings(environment)).toEqual([])
  })

  test('name the option that Kubernetes has set to a URL, and no other service link', () => {
    expect(variableWarnings(serviceLinks)).toEqual([
      'Ignoring variable SECRET_BUS_PORT: it must be a whole number from 0 to 65535, received a URL, as Kubernetes sets it',
    ])
  })

  test('omit the links of services with a longer name', () => {
    const links = Object.entries(serviceLinks).map(([name, value]) => [
      name.replace('SECRET_BUS', 'SECRET_BUS_CANARY'),
      value,
    ])

    expect(variableWarnings(Object.fromEntries(links))).toEqual([])
  })

  test.each([
    ['SECRET_BUS_PROT', '; did you mean SECRET_BUS_PORT?'],
    ['SECRET_BUS_CACHETTL', '; did you mean SECRET_BUS_CACHE_TTL?'],
    ['SECRET_BUS_AUTH_TOKENS', '; did you mean SECRET_BUS_AUTH_TOKEN?'],
    ['SECRET_BUS_HOSTNAME', '; did you mean SECRET_BUS_HOST?'],
    ['SECRET_BUS_HTTP_PORT', ''],
    ['SECRET_BUS_SOMETHING_ELSE', ''],
  ])('name the unknown variable %s, but not its value', (name, suggestion) => {
    expect(variableWarnings({ [name]: 'sentinel' })).toEqual([`Ignoring unknown variable ${name}${suggestion}`])
  })
})
